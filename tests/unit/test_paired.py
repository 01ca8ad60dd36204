"""The paired bootstrap and the calibration error, on answers whose quality is known."""

import numpy as np
import pytest

from ekiben import gates
from ekiben.evaluation.calibration import calibration, scores
from ekiben.evaluation.measures import Floats, Outcome
from ekiben.evaluation.paired import SLICE_ROWS, differences, slice_differences

ROWS = 1500
BOTH = ("roc_auc", "f1", "accuracy")


def signal(seed: int = 0, rows: int = ROWS) -> tuple[Floats, Floats]:
    """Return labels and the probabilities that they were drawn from."""
    rng = np.random.default_rng(seed)
    stated = rng.beta(0.6, 0.9, rows)
    return (rng.random(rows) < stated).astype(np.float64), stated


def outcome(labels: Floats, stated: Floats) -> Outcome:
    return Outcome(
        labels.astype(np.int64),
        (stated >= 0.5).astype(np.int64),
        np.column_stack((1 - stated, stated)),
    )


def shaken(stated: Floats, seed: int) -> Floats:
    """Return another equally good version: the same probabilities, a little off."""
    noise = np.random.default_rng(seed).normal(0, 0.15, len(stated))
    return np.asarray(1 / (1 + np.exp(-(np.log(stated / (1 - stated)) + noise))))


ONES = np.ones(ROWS)


def test_equal_answers_do_not_differ_on_any_resample() -> None:
    one = outcome(*signal())

    found = differences(one, one, BOTH, ONES, np.random.default_rng(0))

    assert {(d.difference, d.low, d.high) for d in found.values()} == {(0.0, 0.0, 0.0)}


def test_a_difference_lies_within_its_interval_and_has_the_sign_of_the_candidate() -> (
    None
):
    labels, stated = signal()
    worse = outcome(labels, np.random.default_rng(1).permutation(stated))

    found = differences(
        worse, outcome(labels, stated), BOTH, ONES, np.random.default_rng(0)
    )

    for one in found.values():
        assert one.low is not None
        assert one.difference is not None
        assert one.high is not None
        assert one.low < one.difference < one.high < 0


def test_pairing_makes_the_interval_narrower_than_that_of_either_version() -> None:
    labels, stated = signal()
    one, other = outcome(labels, stated), outcome(labels, shaken(stated, 1))
    nothing = outcome(labels, np.zeros(ROWS))

    rng = np.random.default_rng(0)
    [paired] = differences(one, other, ["accuracy"], ONES, rng).values()
    [alone] = differences(one, nothing, ["accuracy"], ONES, rng).values()

    assert (paired.high or 0) - (paired.low or 0) < (
        (alone.high or 0) - (alone.low or 0)
    ) / 2


@pytest.mark.parametrize("seed", range(20))
def test_an_equal_version_passes_whatever_the_seed(seed: int) -> None:
    labels, stated = signal()
    one = outcome(labels, stated)
    rng = np.random.default_rng(seed)

    assert gates.regression(differences(one, one, BOTH, ONES, rng), "roc_auc").passed


def test_equally_good_versions_are_seldom_refused() -> None:
    """Each interval alone is wrong on one side in 2.5 % of the cases."""
    refused = 0
    for seed in range(30):
        labels, stated = signal(seed, 400)
        one, other = (outcome(labels, shaken(stated, 2 * seed + n)) for n in (0, 1))
        rng = np.random.default_rng(seed)
        found = differences(one, other, BOTH, np.ones(400), rng)
        refused += not gates.regression(found, "roc_auc").passed

    assert refused <= 2


def test_a_row_that_stands_for_two_counts_twice() -> None:
    labels, stated = signal(rows=200)
    one, other = outcome(labels, stated), outcome(labels, stated[::-1])
    twice = np.repeat(np.arange(200), 2)

    rng = np.random.default_rng(0)
    weighted = differences(one, other, BOTH, np.full(200, 2.0), rng)
    ones, others = (
        outcome(labels[twice], both[twice]) for both in (stated, stated[::-1])
    )
    repeated = differences(ones, others, BOTH, np.ones(400), rng)

    for name in BOTH:
        assert weighted[name].difference == pytest.approx(repeated[name].difference)


def test_a_metric_that_only_the_candidate_lacks_is_told_without_a_figure() -> None:
    labels, stated = signal()
    silent = outcome(labels, np.zeros(ROWS))

    found = differences(
        silent,
        outcome(labels, stated),
        ["precision"],
        ONES,
        np.random.default_rng(0),
    )

    assert found["precision"].candidate is None
    assert found["precision"].low is None
    assert not gates.regression(found, "precision").passed


def test_a_slice_with_too_few_rows_is_not_compared() -> None:
    labels, stated = signal()
    one = outcome(labels, stated)
    groups = np.array(
        ["few"] * (SLICE_ROWS - 1)
        + ["enough"] * SLICE_ROWS
        + ["rest"] * (ROWS - 2 * SLICE_ROWS + 1)
    )

    found = slice_differences(
        one, one, ["accuracy"], ONES, {"size": groups}, np.random.default_rng(0)
    )

    assert set(found["size"]) == {"enough", "rest"}
    assert found["size"]["enough"].rows == SLICE_ROWS


def test_probabilities_that_labels_were_drawn_from_are_calibrated() -> None:
    found = calibration(outcome(*signal()), np.ones(2), np.random.default_rng(0))

    assert found.low < 0.02
    assert found.error < 0.05
    assert sum(one.rows for one in found.bins) == ROWS


@pytest.mark.parametrize("power", [2, 3])
def test_powers_of_probabilities_are_not_calibrated(power: int) -> None:
    labels, stated = signal()

    found = calibration(
        outcome(labels, stated**power), np.ones(2), np.random.default_rng(0)
    )

    assert 0.1 < found.low <= found.error
    assert not gates.calibration(found, None, None, 0.1).passed


def test_weights_undo_another_share_of_positives() -> None:
    """Every positive is here but only a tenth of the negatives."""
    labels, stated = signal(rows=20_000)
    kept = (labels == 1) | (np.random.default_rng(1).random(20_000) < 0.1)
    one = outcome(labels[kept], stated[kept])
    rng = np.random.default_rng(0)

    assert calibration(one, np.array([10.0, 1.0]), rng).error < 0.03
    assert calibration(one, np.ones(2), rng).low > 0.1


def test_of_several_classes_the_most_probable_one_is_judged() -> None:
    stated = np.tile([0.05, 0.2, 0.75], (1000, 1))
    labels = np.repeat([2, 1, 0], [750, 200, 50])
    one = Outcome(labels, labels, stated)

    found = calibration(one, np.ones(3), np.random.default_rng(0))

    assert found.error == pytest.approx(0.0, abs=1e-9)
    assert scores(one)[15] == 1000
