"""The production versions of the Ekiben store, for the baselines to serve."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ekiben.predictor import same
from ekiben.registry.database import LedgerDatabase
from ekiben.registry.store import Store
from ekiben.schemas.base import Row
from ekiben.schemas.model_card import Golden
from ekiben.settings import Settings
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import Decision, Fields, UseCase


@dataclass(frozen=True)
class Promoted:
    """What is in production for one use case."""

    use_case: UseCase
    estimator: Any
    decision: Decision
    golden: tuple[Golden, ...]


Answer = Callable[[Promoted, Sequence[Row]], list[Fields]]


def load_promoted() -> list[Promoted]:
    """Load what is in production under this process's BENTOML_HOME, in catalogue order."""
    settings = Settings.from_env()
    store = Store.at(settings.home)
    with LedgerDatabase.opened(settings.ledger_url) as database:
        ledger = database.ledger()
    found = []
    for use_case in USE_CASES:
        if production := ledger.production(use_case.name):
            version = store.load(production.tag)
            decision = version.manifest.card.decision
            golden = tuple(version.manifest.golden)
            found.append(Promoted(use_case, version.estimator, decision, golden))
    return found


def load_checked(
    answer: Answer, prepare: Callable[[Any], Any] = lambda estimator: estimator
) -> list[Promoted]:
    """Load what is in production, and check that *answer* agrees with the golden rows.

    *prepare* may change each estimator before. A baseline that answers otherwise
    than Ekiben ends here: it would not be a race over the same models.
    """
    promoted = load_promoted()
    for one in promoted:
        prepare(one.estimator)
        check(one, answer)
    return promoted


def check(promoted: Promoted, answer: Answer) -> None:
    """End the process when *answer* gives a golden row another answer than Ekiben."""
    use_case = promoted.use_case
    rows = [use_case.row.model_validate(one.row) for one in promoted.golden]
    for number, (fields, one) in enumerate(
        zip(answer(promoted, rows), promoted.golden, strict=True)
    ):
        stated = {name: fields[name] for name in one.prediction}
        if not same(one.prediction, stated):
            raise SystemExit(
                f"{use_case.name}: golden row {number} is answered differently"
            )
