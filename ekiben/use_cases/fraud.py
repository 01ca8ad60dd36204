"""Fraud: whether a card transaction is fraudulent; a random forest.

The public sample holds every fraud but few genuine transactions, so the forest's
probabilities are moved from the training prior to the real one before they are
stated. On a table with the real prior that step changes nothing.

Microseconds, `predict_proba` -> scorer: one row 12,200 -> 31, 32 rows 13,000 -> 174.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ekiben.compiled.forest import compile_forest, load_forest
from ekiben.datasets.fraud import FRAUD as DATASET
from ekiben.schemas.fraud import FraudPrediction, Transaction
from ekiben.use_cases.answers import AnswerColumns
from ekiben.use_cases.binary import cheapest_threshold, flag_answers, flag_columns
from ekiben.use_cases.encoding import NumericColumns
from ekiben.use_cases.use_case import (
    Decision,
    Estimator,
    Fields,
    Floats,
    Scorer,
    UseCase,
)

if TYPE_CHECKING:
    import pandas as pd

REAL_PRIOR = 492 / 284_807
"""The share of frauds among all transactions of the two days that the table is from."""
MISS = 100.0
"""What a missed fraud costs in false alarms: the average fraud takes about 120 euros
and its paperwork, a false alarm a text message and a minute of a customer's patience."""
AMOUNTS = {"up to 10": 10.0, "10 to 100": 100.0, "100 to 1000": 1000.0}
LARGER = "over 1000"
FLOORS = {"average_precision": 0.75, "recall": 0.70}
"""The public files give 0.87 and more; with 98 frauds among the test rows chance takes
0.05. Below three quarters of the ranking or of the frauds, the old rules do as well."""

_flags = flag_answers("is_fraud")
_flag_columns = flag_columns("is_fraud")


def build(seed: int) -> Estimator:
    """Build the forest; 60 trees rank as well as 200 on the public sample."""
    from sklearn.ensemble import RandomForestClassifier

    forest: Estimator = RandomForestClassifier(
        n_estimators=60, min_samples_leaf=2, random_state=seed
    )
    return forest


def scorer(forest: Any) -> Scorer:
    """Ask its trees through LightGBM's library."""
    return load_forest(compile_forest(forest))


def at_prior(probabilities: Floats, decision: Decision) -> Floats:
    """Move *probabilities* from the training prior to the real one.

    The odds are multiplied by the ratio of the real prior's odds to the training
    prior's (Elkan 2001; Saerens and others 2002).
    """
    training, real = decision["training_prior"], decision["real_prior"]
    genuine, fraud = probabilities[:, 0], probabilities[:, 1]
    against = (1.0 - real) / real * training / (1.0 - training)
    moved = fraud / (fraud + genuine * against)
    return np.column_stack((1.0 - moved, moved))


def decide(
    labels: NDArray[Any], probabilities: Floats, training_labels: NDArray[Any]
) -> Decision:
    """Decide on the threshold that costs least on validation rows at the real prior."""
    priors = {
        "training_prior": float(np.mean(training_labels == 1)),
        "real_prior": REAL_PRIOR,
    }
    stated = at_prior(probabilities, priors)[:, 1]
    threshold = cheapest_threshold(labels == 1, stated, prior=REAL_PRIOR, miss=MISS)
    return {"threshold": threshold, **priors}


def answer(probabilities: Floats, decision: Decision) -> list[Fields]:
    """Say of each row whether it is fraud, at the real prior."""
    return _flags(at_prior(probabilities, decision), decision)


def answer_columns(probabilities: Floats, decision: Decision) -> AnswerColumns:
    """Say it of many rows."""
    return _flag_columns(at_prior(probabilities, decision), decision)


def _amount(table: "pd.DataFrame") -> "pd.Series[Any]":
    import pandas as pd

    bands = [0.0, *AMOUNTS.values(), np.inf]
    return pd.cut(
        table["amount"], bands, labels=[*AMOUNTS, LARGER], include_lowest=True
    ).astype(str)


FRAUD = UseCase(
    name="fraud",
    summary="Whether a card transaction is fraudulent.",
    row=Transaction,
    prediction=FraudPrediction,
    dataset=DATASET,
    encoding=NumericColumns.of(Transaction, within_float32=True),
    classes=(0, 1),
    build=build,
    scorer=scorer,
    compile=compile_forest,
    decide=decide,
    answer=answer,
    answer_columns=answer_columns,
    label_of=lambda fields: int(fields["is_fraud"]),
    probabilities_of=at_prior,
    metrics=(
        "average_precision",
        "roc_auc",
        "recall",
        "false_positive_rate",
        "precision",
        "f1",
    ),
    slices={"amount": _amount},
    floors=FLOORS,
    prior=REAL_PRIOR,
)
