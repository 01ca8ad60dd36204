"""The limit of any server in Python: the model called in this process, no HTTP at all.

Rows that are checked already go in, fields of predictions come out, one call after the
other. Prints figures as the load clients do; a request is a call.
Used as: python -m benchmarks.alone USE_CASE ROWS SECONDS
"""

import gc
import itertools
import json
import sys
import time
from collections.abc import Sequence

from benchmarks.baselines.versions import load_promoted
from benchmarks.client import Tally
from benchmarks.payloads import BODIES, table_rows
from ekiben.predictor import Predictor
from ekiben.schemas.base import Row
from ekiben.settings import Settings

WARM_UP_CALLS = 3


def calls(
    predictor: Predictor, batches: Sequence[Sequence[Row]], seconds: float
) -> tuple[Tally, float]:
    """Call *predictor* for *seconds*, the *batches* in turn; return what it took, too."""
    tally = Tally()
    start = time.perf_counter()
    for batch in itertools.cycle(batches):
        asked = time.perf_counter()
        if asked - start >= seconds:
            break
        predictor.predict(batch)
        tally.latencies.append(time.perf_counter() - asked)
    return tally, time.perf_counter() - start


def main() -> None:
    """Measure what the arguments say and print the figures."""
    name, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    (one,) = (one for one in load_promoted() if one.use_case.name == name)
    predictor = Predictor.of(one.use_case, one.estimator, one.decision)
    fields = table_rows(one.use_case, Settings.from_env(), BODIES)
    rows = itertools.cycle(one.use_case.row.model_validate(row) for row in fields)
    batches = [list(itertools.islice(rows, count)) for _ in range(WARM_UP_CALLS)]
    for batch in batches:
        predictor.predict(batch)
    # As the server does: else full collections take half of the time for iris.
    gc.collect()
    gc.freeze()
    print(json.dumps(Tally.report(*calls(predictor, batches, seconds))))


if __name__ == "__main__":
    main()
