"""A logged row asked again: identical, or the cause named."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ekiben.datasets import load
from ekiben.holdout import unseen
from ekiben.monitoring import replay as replaying
from ekiben.monitoring.against import contrast
from ekiben.monitoring.records import Logged, Observed
from ekiben.monitoring.replay import Replay, Tally, opening, replay, replay_one
from ekiben.predictor import Predictor, load_predictor
from ekiben.registry.libraries import PLATFORM
from ekiben.registry.store import Store
from ekiben.use_cases.iris import IRIS
from ekiben.use_cases.rounding import rounded
from ekiben.use_cases.spam import SPAM
from tests.doctored import registered_again, trained
from tests.logbook import answered, logged

pytestmark = pytest.mark.models

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made")
    table = load(IRIS.dataset, cache=home, offline=True)
    trained(Store.at(home), IRIS, table)
    return home


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Store:
    shutil.copytree(made, tmp_path / "home")
    return Store.at(tmp_path / "home")


@pytest.fixture
def tag(store: Store) -> str:
    (tag,) = store.tags("iris")
    return tag


@pytest.fixture
def predictor(store: Store, tag: str) -> Predictor:
    return load_predictor(store, IRIS, tag)


@pytest.fixture
def record(predictor: Predictor) -> Logged:
    (record,) = answered(predictor, IRIS.examples[:1], timedelta(hours=1))
    return record


def one(store: Store, record: Logged, digests: dict[str, str] | None = None) -> Replay:
    return replay_one(record, opening(store, digests or {}))


def other_card(store: Store, tag: str, **libraries: str) -> str:
    """Register the version again as if it had been made elsewhere."""
    return registered_again(
        store, tag, lambda card: {"libraries": card["libraries"] | libraries}
    )


def test_the_same_row_is_answered_to_the_last_bit(
    store: Store, tag: str, record: Logged
) -> None:
    found = one(store, record, {tag: store.manifest(tag).digest})
    assert (found.verdict, found.exact, found.cause) == ("identical", True, None)


def test_a_number_that_is_off_in_its_last_bits_is_identical_but_not_exact(
    store: Store, record: Logged
) -> None:
    shifted = replace(record, answer=shift(record.answer, 1e-12))
    found = one(store, shifted)
    assert (found.verdict, found.exact) == ("identical", False)


def test_an_answer_that_was_rounded_is_identical_to_one_that_is(
    store: Store, predictor: Predictor
) -> None:
    shares = np.array([[0.123456, 0.2, 0.676544]])
    finer = replace(predictor, score=lambda encoded: shares.repeat(len(encoded), 0))
    (record,) = answered(finer, IRIS.examples[:1], timedelta(hours=1))
    coarse = replace(record, answer=rounded(record.answer, 3))

    def verdict(one: Logged, decimals: int | None) -> str:
        opened = replaying.Opened(finer, (), decimals)
        return replay_one(one, lambda _: opened).verdict

    assert verdict(coarse, 3) == verdict(record, 3) == "identical"
    assert verdict(coarse, None) == verdict(coarse, 2) == "different"
    given = opening(store, {}, 3)(record.tag)
    assert isinstance(given, replaying.Opened)
    assert given.decimals == 3


def test_an_answer_that_differs_is_told_with_its_fields_and_values(
    store: Store, record: Logged
) -> None:
    found = one(store, replace(record, answer=shift(record.answer, 1e-3)))

    assert (found.verdict, found.cause) == ("different", "answer")
    names = [difference.field for difference in found.differences]
    assert names == [f"probabilities.{name}" for name in IRIS.classes]
    assert "artefact, libraries and platform are those of then" in found.words
    assert repr(found.differences[0].replayed) in found.words


@pytest.mark.parametrize(
    ("libraries", "cause", "told"),
    [
        ({"numpy": "1.0.0"}, "libraries", "numpy 1.0.0 then"),
        ({"scipy": "0.9", PLATFORM: "Plan 9"}, "libraries", "platform Plan 9 then"),
        ({PLATFORM: "Plan 9"}, "platform", "platform Plan 9 then"),
    ],
)
def test_a_version_made_elsewhere_is_blamed_only_where_the_answer_differs(
    store: Store,
    tag: str,
    record: Logged,
    libraries: dict[str, str],
    cause: str,
    told: str,
) -> None:
    elsewhere = replace(record, tag=other_card(store, tag, **libraries))
    assert one(store, elsewhere).verdict == "identical"

    found = one(store, replace(elsewhere, answer=shift(record.answer, 1e-3)))
    assert (found.verdict, found.cause) == ("different", cause)
    assert told in found.words


def test_a_version_that_no_longer_gives_its_golden_answers_is_refused_or_made_elsewhere(
    store: Store, tag: str, record: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = other_card(store, tag, numpy="1.0.0")
    monkeypatch.setattr("ekiben.predictor.golden_fault", lambda *_: "golden row 0")

    assert one(store, record).cause == "artefact refused"
    found = one(store, replace(record, tag=elsewhere))
    assert (found.verdict, found.cause) == ("impossible", "libraries")
    assert "golden row 0; numpy 1.0.0 then" in found.words


def test_a_version_that_is_gone_or_altered_or_another_is_named(
    store: Store, tag: str, record: Logged
) -> None:
    replaced = one(store, record, {tag: "0" * 64})
    assert (replaced.verdict, replaced.cause) == ("impossible", "artefact altered")
    assert replaced.words == f"{tag} is not the artefact that was promoted"

    model = next(store.models.joinpath(*tag.split(":")).glob("*.pkl"))
    model.write_bytes(model.read_bytes() + b"\0")
    altered = one(store, record)
    assert (altered.verdict, altered.cause) == ("impossible", "artefact altered")
    assert model.name in altered.words

    store.remove(tag)
    missing = one(store, record)
    assert (missing.verdict, missing.cause) == ("impossible", "artefact missing")
    assert missing.words == f"{tag} is gone from the store"


@pytest.mark.parametrize(
    ("change", "cause", "told"),
    [
        ({"petal_width": None}, "row refused", "petal_width"),
        ({"petal_width": -1.0}, "row refused", "petal_width"),
        ({"colour": "blue"}, "row refused", "colour"),
    ],
)
def test_a_row_that_the_running_code_refuses_is_impossible(
    store: Store, record: Logged, change: dict[str, Any], cause: str, told: str
) -> None:
    found = one(store, replace(record, row=record.row | change))
    assert (found.verdict, found.cause) == ("impossible", cause)
    assert told in found.words


@pytest.mark.parametrize("kept", [{}, {"petal_width": "hmac-sha256:" + "0a" * 32}])
def test_a_row_with_a_field_dropped_or_hashed_is_not_whole(
    store: Store, record: Logged, kept: dict[str, Any]
) -> None:
    row = {k: v for k, v in record.row.items() if k != "petal_width"} | kept
    found = one(store, replace(record, row=row))
    assert (found.verdict, found.cause) == ("impossible", "row not whole")
    assert "petal_width" in found.words


def test_a_use_case_that_is_gone_from_the_catalogue_is_impossible(
    store: Store, record: Logged
) -> None:
    found = one(store, replace(record, tag="tea:a", use_case="tea"))
    assert (found.verdict, found.cause) == ("impossible", "use case unknown")


def test_what_a_model_raises_at_hinders_no_other_row(
    predictor: Predictor, record: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [record, replace(record, row=record.row | {"petal_width": 7.0}), record]

    def score(encoded: Any) -> Any:
        if (encoded[:, 3] == 7.0).any():
            raise RuntimeError("poisoned")
        return predictor.score(encoded)

    poisoned = replaying.Opened(replace(predictor, score=score), ())
    tally = Tally()
    for found in replay(records, lambda tag: poisoned):
        tally.add(found)

    assert (tally.identical, dict(tally.faults)) == (2, {"model raised": 1})
    assert tally.examples[0].words == "the model raised RuntimeError"


def test_a_window_is_asked_in_chunks_by_all_its_versions(
    store: Store,
    tag: str,
    predictor: Predictor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replaying, "CHUNK", 7)
    other = registered_again(store, tag)
    records = answered(predictor, IRIS.examples * 10, timedelta(hours=1))
    records = [
        replace(record, tag=other if number % 3 else tag)
        for number, record in enumerate(records)
    ]
    records.append(replace(records[0], tag="iris:gone"))
    records.append(replace(records[0], row={}))
    opened: list[str] = []
    open_version = opening(store, {})

    def counting(name: str) -> Any:
        opened.append(name)
        return open_version(name)

    tally = Tally()
    for found in replay(records, counting):
        tally.add(found)

    assert tally.identical == tally.exact == len(records) - 2
    assert (tally.not_whole, dict(tally.faults)) == (1, {"artefact missing": 1})
    assert set(opened) == {tag, other, "iris:gone"}


def test_another_version_is_held_against_the_log(
    predictor: Predictor, record: Logged
) -> None:
    setosa = record
    label = IRIS.label_of(record.answer)
    liar = replace(
        record,
        tag="iris:liar",
        prediction_id="019aa41e-6f0b-7c52-9d43-0f2b8c61e704",
        answer=record.answer | {"species": "mlops"},
    )
    hidden = replace(record, row={"petal_width": 1.0})
    truth = Observed(liar.prediction_id, label, NOW, NOW, "")

    found = contrast([(setosa, None), (liar, truth), (hidden, None)], predictor)

    assert (found.all.rows, found.all.disagreements) == (2, 1)
    assert found.versions["iris:liar"].disagreements == 1
    assert found.versions[record.tag].disagreements == 0
    assert found.changes == {("mlops", label): 1}
    assert (found.truths.rows, found.truths.logged_right) == (1, 0)
    assert found.truths.other_right == 1
    assert +found.left_out == {"row not whole": 1}
    (example,) = found.examples
    assert (example.prediction_id, example.true) == (liar.prediction_id, label)


def test_a_version_is_not_praised_for_rows_that_it_has_seen(
    store: Store, tag: str, predictor: Predictor
) -> None:
    _, files = store.read(tag)
    frame = load(IRIS.dataset, cache=store.models, offline=True).frame
    fresh = unseen(IRIS, frame, files)
    assert fresh is not None
    records = answered(predictor, IRIS.encoding.rows_of(frame), timedelta(hours=1))
    truths = [Observed(one.prediction_id, "setosa", NOW, NOW, "") for one in records]
    pairs = list(zip(records, truths, strict=True))

    found = contrast(pairs, predictor, files).truths

    of_setosa = [one.answer["species"] == "setosa" for one in records]
    right = sum(a and b for a, b in zip(of_setosa, fresh.tolist(), strict=True))
    assert (found.rows, found.logged_right) == (fresh.sum(), right)
    assert contrast(pairs, predictor).truths.rows == len(frame)


def test_an_answer_that_names_no_label_is_left_out(
    predictor: Predictor, record: Logged
) -> None:
    old = replace(record, answer={"kind": "setosa"})
    found = contrast([(old, None), (record, None)], predictor)
    assert found.all.rows == 1
    assert +found.left_out == {"answer of another schema": 1}


def test_disagreements_are_counted_by_slice(
    predictor: Predictor, record: Logged
) -> None:
    def width(frame: Any) -> Any:
        return (frame["petal_width"] > 1).map({True: "wide", False: "narrow"})

    sliced = replace(predictor, use_case=replace(IRIS, slices={"width": width}))
    rows = [
        {**record.row, "petal_width": 2.0, "petal_length": 6.0},
        {**record.row, "petal_width": 0.2, "petal_length": 1.0},
    ]
    records = [
        logged(predictor.tag, row, {**record.answer, "species": "setosa"}, NOW)
        for row in rows
    ]
    found = contrast([(one, None) for one in records], sliced)

    by_group = found.slices["width"]
    assert (by_group["wide"].rows, by_group["wide"].disagreements) == (1, 1)
    assert (by_group["narrow"].rows, by_group["narrow"].disagreements) == (1, 0)


def test_the_rows_of_a_use_case_with_texts_are_asked_as_they_were_sent(
    tmp_path: Path,
) -> None:
    table = load(SPAM.dataset, cache=tmp_path, offline=True)
    store = Store.at(tmp_path)
    spam = load_predictor(store, SPAM, trained(store, SPAM, table))
    texts = ["Zürich\x1b ☃ 😀", "a\nb\t", "win a prize"]
    rows = [{"text": text} for text in texts]
    for found in replay(answered(spam, rows, timedelta()), opening(store, {})):
        assert (found.verdict, found.exact) == ("identical", True)


def shift(value: Any, by: float) -> Any:
    """Return an answer with its probabilities off by a little."""
    moved: Callable[[Any], Any] = lambda p: {k: v + by for k, v in p.items()}  # noqa: E731
    return value | {"probabilities": moved(value["probabilities"])}
