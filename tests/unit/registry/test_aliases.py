"""The production alias."""

from datetime import timedelta
from pathlib import Path

import pytest

from ekiben.errors import CorruptAlias, EkibenError, StoreUnavailable, UnknownModel
from ekiben.registry.aliases import Alias, Production
from tests.tiny import NOON


@pytest.fixture
def production(tmp_path: Path) -> Production:
    return Production.at(tmp_path)


def test_before_the_first_move_there_is_no_alias(production: Production) -> None:
    assert production.find("iris") is None
    assert production.all() == {}


def test_a_move_is_found_with_its_time(production: Production) -> None:
    moved = production.move("iris", "iris:a1", "d1", NOON)

    assert production.find("iris") == moved
    assert moved == Alias(tag="iris:a1", digest="d1", since=NOON, previous=None)


def test_a_second_move_remembers_the_first(production: Production) -> None:
    production.move("iris", "iris:a1", "d1", NOON)
    later = NOON + timedelta(hours=1)

    moved = production.move("iris", "iris:a2", "d2", later)

    assert moved == Alias(tag="iris:a2", digest="d2", since=later, previous="iris:a1")


def test_a_move_to_where_it_is_changes_nothing(production: Production) -> None:
    production.move("iris", "iris:a1", "d1", NOON)
    before = production.move("iris", "iris:a2", "d2", NOON)

    again = production.move("iris", "iris:a2", "d2", NOON + timedelta(hours=1))

    assert again == before


def test_all_names_every_use_case(production: Production) -> None:
    spam = production.move("spam", "spam:b1", "d", NOON)
    iris = production.move("iris", "iris:a1", "d", NOON)

    assert production.all() == {"iris": iris, "spam": spam}


def test_a_file_that_is_no_alias_is_not_taken_for_one(production: Production) -> None:
    iris = production.move("iris", "iris:a1", "d", NOON)
    (production.path / ".iris.json").write_text("{")
    (production.path / "notes.txt").write_text("keep")

    assert production.all() == {"iris": iris}


@pytest.mark.parametrize("name", ["", "..", "../iris", "Iris", "iris/x", "iris\n"])
def test_a_name_that_is_no_file_name_is_unknown(
    production: Production, name: str
) -> None:
    with pytest.raises(UnknownModel):
        production.find(name)
    with pytest.raises(UnknownModel):
        production.move(name, "iris:a1", "d", NOON)


@pytest.mark.parametrize("tag", ["spam:b1", "iris", "iris:latest", "iris:../x"])
def test_an_alias_points_at_an_exact_version_of_its_use_case(
    production: Production, tag: str
) -> None:
    with pytest.raises(UnknownModel):
        production.move("iris", tag, "d", NOON)

    assert production.find("iris") is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"\xff\x00", id="not-text"),
        pytest.param(b"{}", id="no-fields"),
        pytest.param(
            b'{"tag": "spam:b1", "digest": "d", "since": "2026-03-01T12:00:00Z"}',
            id="of-another-use-case",
        ),
    ],
)
def test_a_corrupt_alias_is_named_and_not_overwritten(
    production: Production, content: bytes
) -> None:
    production.move("iris", "iris:a1", "d", NOON)
    path = production.path / "iris.json"
    path.write_bytes(content)

    with pytest.raises(CorruptAlias, match="alias of iris is corrupt"):
        production.find("iris")
    with pytest.raises(CorruptAlias, match="alias of iris is corrupt"):
        production.move("iris", "iris:a2", "d", NOON)
    assert path.read_bytes() == content


def test_an_alias_that_cannot_be_written_stays_where_it_was(
    production: Production,
) -> None:
    before = production.move("iris", "iris:a1", "d", NOON)
    (production.path / "iris.new").mkdir()

    with pytest.raises(StoreUnavailable, match="iris not moved"):
        production.move("iris", "iris:a2", "d", NOON)
    assert production.find("iris") == before


def test_a_directory_in_place_of_the_alias_is_one_clear_error(
    production: Production,
) -> None:
    (production.path / "iris.json").mkdir(parents=True)

    with pytest.raises(EkibenError, match=r"iris\.json cannot be read"):
        production.find("iris")
