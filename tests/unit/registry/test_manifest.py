"""The manifest and the check of a version's directory against it."""

import json
import os
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from ekiben.registry.files import Mismatch, digest, digest_tree
from ekiben.registry.manifest import (
    Manifest,
    parse,
    read_manifest,
    read_version,
    render,
    seal,
)
from ekiben.schemas.model_card import Compiled, Golden, Metric
from tests.tiny import GOLDEN, card

FILES = {"model.yaml": b"module: x\n", "deep/er/weights": b"\x00\x01\x02"}


def sealed() -> Manifest:
    digests = {name: digest(content) for name, content in FILES.items()}
    return seal(card("iris:a1"), digests, GOLDEN)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A version's directory with a file deep inside."""
    version = tmp_path / "a1"
    for name, content in FILES.items():
        (version / name).parent.mkdir(parents=True, exist_ok=True)
        (version / name).write_bytes(content)
    manifest = seal(card("iris:a1"), digest_tree(version), GOLDEN)
    (version / "manifest.json").write_bytes(render(manifest))
    return version


def test_what_was_rendered_is_parsed_unchanged() -> None:
    manifest = sealed()

    assert parse(render(manifest)) == manifest


def test_a_version_that_is_not_compiled_is_written_as_ever() -> None:
    """So that older code reads it; the digests are those that the first release gave."""
    manifest = sealed()

    assert manifest.format == 1
    assert manifest.digest == (
        "a30ec64bebcc682f4b1b6c078b7d591c81c2771511fc3a3e07cdeec6377ca96e"
    )
    assert digest(render(manifest)).sha256 == (
        "8f4c542b73e239f998d4972f21a36ad18ad16e4700fbd16a64a123b3690595a5"
    )


def test_a_version_with_a_verdict_has_another_format_and_is_read_back() -> None:
    verdict = Compiled(
        form="tree",
        serves="compiled",
        rows=3,
        hard_rows=4,
        largest_difference=0.0,
        label_mismatches=0,
        share_over=0.0,
    )
    manifest = seal(card("iris:a1", compiled=verdict), {}, GOLDEN)

    assert manifest.format == 2
    assert parse(render(manifest)) == manifest


def test_what_a_newer_ekiben_wrote_is_refused_in_words() -> None:
    document = json.loads(render(sealed())) | {"format": 3, "unheard": "of"}

    with pytest.raises(Mismatch, match=r"format 3, this Ekiben reads up to 2: a newer"):
        parse(json.dumps(document).encode())


def test_the_digest_covers_the_card_the_files_and_the_golden_predictions() -> None:
    other_card = seal(card("iris:a2"), sealed().files, GOLDEN)
    other_files = seal(card("iris:a1"), {}, GOLDEN)
    other_golden = seal(card("iris:a1"), sealed().files, [])

    digests = {one.digest for one in (sealed(), other_card, other_files, other_golden)}
    assert len(digests) == 4


def test_a_manifest_with_a_changed_figure_is_refused() -> None:
    content = render(sealed()).replace(b"0.75", b"0.99")

    with pytest.raises(Mismatch, match="wrong digest"):
        parse(content)


def test_a_manifest_spelt_in_another_way_is_refused() -> None:
    content = json.dumps(json.loads(render(sealed()))).encode()

    with pytest.raises(Mismatch, match="not as it was written"):
        parse(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[" * 100_000, id="deeply-nested"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="no-fields"),
        pytest.param(b'{"format": NaN}', id="nan"),
        pytest.param(b"\xff\xfe\x00", id="not-text"),
        pytest.param(b'{"a": "\\ud800"}', id="half-a-character"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(Mismatch, match=r"manifest\.json"):
        parse(content)


def test_a_flip_of_any_byte_is_refused() -> None:
    content = render(sealed())
    rng = random.Random(1)

    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.randrange(8)
        with pytest.raises(Mismatch):
            parse(bytes(flipped))


def test_a_figure_that_is_no_number_cannot_be_sealed() -> None:
    evaluation = card("iris:a1").evaluation
    nan = Metric(value=float("nan"), low=0.0, high=1.0)
    spoilt = evaluation.model_copy(update={"overall": {"f1": nan}})

    with pytest.raises(ValueError, match="not JSON compliant"):
        seal(card("iris:a1", evaluation=spoilt), {}, [])


def test_a_golden_number_that_is_infinite_cannot_be_sealed() -> None:
    golden = Golden(row={"x": float("inf")}, prediction={})

    with pytest.raises(ValueError, match="not JSON compliant"):
        seal(card("iris:a1"), {}, [golden])


def test_a_time_without_zone_cannot_be_sealed() -> None:
    local = datetime(2026, 3, 1)

    with pytest.raises(ValueError, match="no time zone"):
        seal(card("iris:a1", trained_at=local), {}, [])


def test_a_whole_version_is_read_with_all_its_files(directory: Path) -> None:
    manifest, files = read_version(directory)

    assert manifest == read_manifest(directory)
    assert files == FILES


def test_what_was_read_stays_when_a_file_is_replaced_after(directory: Path) -> None:
    _, files = read_version(directory)
    (directory / "model.yaml").write_bytes(b"module: os\n")

    assert files["model.yaml"] == FILES["model.yaml"]


def _remove(version: Path) -> None:
    (version / "model.yaml").unlink()


def _remove_manifest(version: Path) -> None:
    (version / "manifest.json").unlink()


def _remove_directory(version: Path) -> None:
    (version / "deep/er/weights").unlink()
    (version / "deep/er").rmdir()
    (version / "deep").rmdir()


def _add(version: Path) -> None:
    (version / "deep/extra").write_bytes(b"")


def _add_directory(version: Path) -> None:
    (version / "deeper").mkdir()


def _shorten(version: Path) -> None:
    (version / "model.yaml").write_bytes(FILES["model.yaml"][:-1])


def _lengthen(version: Path) -> None:
    (version / "model.yaml").write_bytes(FILES["model.yaml"] + b"\n")


def _change(version: Path) -> None:
    (version / "model.yaml").write_bytes(b"module: y\n")


def _link(version: Path) -> None:
    (version / "model.yaml").rename(version.parent / "elsewhere")
    (version / "model.yaml").symlink_to(version.parent / "elsewhere")


def _link_manifest(version: Path) -> None:
    (version / "manifest.json").rename(version.parent / "elsewhere")
    (version / "manifest.json").symlink_to(version.parent / "elsewhere")


def _link_directory(version: Path) -> None:
    (version / "deep").rename(version.parent / "elsewhere")
    (version / "deep").symlink_to(version.parent / "elsewhere")


def _pipe(version: Path) -> None:
    (version / "model.yaml").unlink()
    os.mkfifo(version / "model.yaml")


def _directory_for_file(version: Path) -> None:
    (version / "model.yaml").unlink()
    (version / "model.yaml").mkdir()


def _file_for_directory(version: Path) -> None:
    _remove_directory(version)
    (version / "deep").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(_remove, "model.yaml is missing", id="missing"),
        pytest.param(_remove_manifest, "manifest.json is missing", id="no-manifest"),
        pytest.param(_remove_directory, "weights is missing", id="missing-directory"),
        pytest.param(_add, "deep/extra was not there", id="extra"),
        pytest.param(_add_directory, "deeper was not there", id="extra-directory"),
        pytest.param(_shorten, "model.yaml has 9 bytes, not 10", id="shorter"),
        pytest.param(_lengthen, "model.yaml is longer than 10", id="longer"),
        pytest.param(_change, "model.yaml has another sha256", id="changed"),
        pytest.param(_link, "model.yaml is not a regular file", id="symlink"),
        pytest.param(_link_manifest, "json is not a regular file", id="manifest-link"),
        pytest.param(_link_directory, "deep is not a regular", id="directory-link"),
        pytest.param(_pipe, "model.yaml is not a regular file", id="pipe"),
        pytest.param(_directory_for_file, "yaml is not a regular", id="directory"),
        pytest.param(_file_for_directory, "deep is not a directory", id="file"),
    ],
)
def test_a_spoilt_directory_is_refused(
    directory: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(directory)

    with pytest.raises(Mismatch, match=reason):
        read_version(directory)
