"""The evidence of a version: its test rows, what rows it has seen, the schemas it was made for.

Kept inside the version, so that a candidate can be judged when its table is gone. The
rows are those of the table, personal data included: whoever gets a version gets them.
"""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ekiben.datasets.checks import check
from ekiben.errors import EkibenError, InvalidTable
from ekiben.use_cases.use_case import Fields, Floats, UseCase

HOLDOUT = "evidence/holdout.jsonl.gz"
SEEN = "evidence/seen.json.gz"
SCHEMAS = "evidence/schemas.json"
MOST_ROWS = 5000
"""More test rows than these are thinned out, the rarest class last."""
DIGEST_LENGTH = 16
"""Hexadecimal digits of a row's digest: two of a million rows share one with 3e-8."""


class NoEvidence(EkibenError):
    """A version does not hold what it would be judged by."""


@dataclass(frozen=True)
class Holdout:
    """Rows with labels that a version has not seen.

    `weights` says for how many test rows each one stands.
    """

    frame: pd.DataFrame
    labels: NDArray[Any]
    weights: Floats

    def of(self, rows: NDArray[np.bool_]) -> "Holdout":
        """Return some of the rows."""
        return Holdout(self.frame[rows], self.labels[rows], self.weights[rows])


def evidence(
    use_case: UseCase,
    frame: pd.DataFrame,
    test: NDArray[np.intp],
    rng: np.random.Generator,
) -> dict[str, bytes]:
    """Return the files to keep of a version that has not seen the *test* rows of *frame*."""
    seen = np.setdiff1d(np.arange(len(frame)), test)
    return {
        HOLDOUT: _render_holdout(use_case, frame.iloc[test], rng),
        SEEN: _render_seen(use_case, frame.iloc[seen]),
        SCHEMAS: json.dumps(schemas_of(use_case)).encode(),
    }


def schemas_of(use_case: UseCase) -> dict[str, Fields]:
    """Return the JSON schemas of the use case's row and prediction."""
    return {
        "row": use_case.row.model_json_schema(),
        "prediction": use_case.prediction.model_json_schema(),
    }


def read_schemas(files: Mapping[str, bytes]) -> dict[str, Fields] | None:
    """Return the schemas that a version was made for; None: it does not say."""
    if SCHEMAS not in files:
        return None
    found: dict[str, Fields] = json.loads(files[SCHEMAS])
    return found


def read_holdout(use_case: UseCase, files: Mapping[str, bytes]) -> Holdout:
    """Return the rows that the version of these *files* was tested on.

    Raises:
        NoEvidence: there are none, or they do not fit the use case's table.
    """
    if HOLDOUT not in files:
        raise NoEvidence("the version holds no test rows")
    lines = gzip.decompress(files[HOLDOUT]).splitlines()
    records = [json.loads(line) for line in lines]
    frame = pd.DataFrame.from_records([one["row"] for one in records])
    try:
        frame = check(frame, use_case.dataset.schema, "the test rows")
    except InvalidTable as error:
        raise NoEvidence(str(error)) from None
    weights = np.array([one["weight"] for one in records], dtype=np.float64)
    labels = np.array(frame[use_case.dataset.target].tolist())
    return Holdout(frame, labels, weights)


def unseen(
    use_case: UseCase, frame: pd.DataFrame, files: Mapping[str, bytes]
) -> NDArray[np.bool_] | None:
    """Tell which rows the version of these *files* has not seen; None: it cannot be told.

    A row is known by its fields, whatever its label.
    """
    if SEEN not in files:
        return None
    seen = json.loads(gzip.decompress(files[SEEN]))
    if seen["fields"] != _fields(use_case):
        return None
    known = frozenset(seen["digests"])
    return np.array(
        [one not in known for one in digests_of(use_case, frame)], dtype=bool
    )


def thin_out(
    labels: NDArray[Any], rng: np.random.Generator, most: int = MOST_ROWS
) -> tuple[NDArray[np.intp], Floats]:
    """Return the places of at most *most* rows, and for how many rows each stands.

    Classes share the places alike, so the rare ones stay whole.
    """
    names, counts = np.unique(labels, return_counts=True)
    kept: list[NDArray[np.intp]] = []
    weights: list[Floats] = []
    left = most
    for done, number in enumerate(np.argsort(counts, kind="stable")):
        rows = np.flatnonzero(labels == names[number])
        take = min(len(rows), left // (len(names) - done))
        kept.append(rng.permutation(rows)[:take])
        weights.append(np.full(take, len(rows) / max(take, 1)))
        left -= take
    places, stands = np.concatenate(kept), np.concatenate(weights)
    order = np.argsort(places)
    return places[order], stands[order]


def _render_holdout(
    use_case: UseCase, test: pd.DataFrame, rng: np.random.Generator
) -> bytes:
    labels = np.array(test[use_case.dataset.target].tolist())
    places, weights = thin_out(labels, rng)
    kept = test.iloc[places]
    columns = {str(name): kept[name].tolist() for name in kept.columns}
    lines = [
        json.dumps({"weight": weight, "row": dict(zip(columns, row, strict=True))})
        for weight, row in zip(
            weights.tolist(), zip(*columns.values(), strict=True), strict=True
        )
    ]
    return gzip.compress("\n".join(lines).encode(), mtime=0)


def _render_seen(use_case: UseCase, seen: pd.DataFrame) -> bytes:
    digests = sorted(set(digests_of(use_case, seen)))
    document = {"fields": _fields(use_case), "digests": digests}
    return gzip.compress(json.dumps(document).encode(), mtime=0)


def _fields(use_case: UseCase) -> list[str]:
    return sorted(use_case.row.model_fields)


def digests_of(use_case: UseCase, frame: pd.DataFrame) -> Sequence[str]:
    """Return the digest of each row's fields, whatever its label."""
    return [
        hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[
            :DIGEST_LENGTH
        ]
        for row in use_case.encoding.rows_of(frame)
    ]
