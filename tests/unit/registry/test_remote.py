"""Versions pushed to and pulled from a store elsewhere: here folders, and memory."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ekiben.errors import (
    ArtefactDiffers,
    ArtefactRefused,
    RemoteStoreFailed,
    StoreUnavailable,
    UnknownModel,
)
from ekiben.registry.canonical import digest_json
from ekiben.registry.exchange import pull, push
from ekiben.registry.manifest import Manifest
from ekiben.registry.remote import RemoteStore
from ekiben.registry.store import Store
from tests.tiny import estimator, register, trained

TAG = "iris:first"


@pytest.fixture
def here(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "there")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shared" / "models"


@pytest.fixture
def remote(folder: Path) -> RemoteStore:
    return RemoteStore.at(folder.as_uri())


@pytest.fixture
def pushed(here: Store, remote: RemoteStore) -> Manifest:
    manifest = register(here, version="first", extras={"evidence/rows.txt": b"1 2"})
    assert push(here, TAG, remote)
    return manifest


def manifest_file(folder: Path) -> Path:
    return folder / "models" / "iris" / "first.json"


def blob(folder: Path, manifest: Manifest, name: str) -> Path:
    return folder / "blobs" / manifest.files[name].sha256


def altered(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest there, as somebody does who can also compute its digest."""
    path = manifest_file(folder)
    document = json.loads(path.read_text())
    change(document)
    sealed = {name: value for name, value in document.items() if name != "digest"}
    document["digest"] = digest_json(sealed)
    path.write_bytes(json.dumps(document, indent=1).encode() + b"\n")


@pytest.mark.parametrize("protocol", ["file", "memory"])
def test_a_version_comes_back_as_it_was(
    protocol: str, here: Store, there: Store, folder: Path
) -> None:
    url = folder.as_uri() if protocol == "file" else f"memory://{uuid.uuid4()}/models"
    remote = RemoteStore.at(url)
    manifest = register(here, version="first", extras={"evidence/rows.txt": b"1 2"})

    assert push(here, TAG, remote)
    assert pull(there, TAG, remote) == (manifest, True)

    assert there.read(TAG) == here.read(TAG)
    assert there.load(TAG).estimator.predict([[5]]) == [1]


def test_what_is_there_is_not_copied_again(
    pushed: Manifest, here: Store, there: Store, remote: RemoteStore
) -> None:
    moved: list[str] = []

    def told(name: str, size: int) -> None:
        moved.append(name)

    assert not push(here, TAG, remote, told)
    assert pull(there, TAG, remote, told=told)[1]
    assert len(moved) == len(pushed.files)
    assert not pull(there, TAG, remote, told=told)[1]
    assert len(moved) == len(pushed.files)


def test_another_artefact_under_the_same_tag_is_refused_both_ways(
    pushed: Manifest, there: Store, remote: RemoteStore, folder: Path
) -> None:
    other = register(there, version="first", make_card=trained(7))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    with pytest.raises(ArtefactDiffers, match=pushed.digest):
        push(there, TAG, remote)
    with pytest.raises(ArtefactDiffers, match=pushed.digest):
        pull(there, TAG, remote)

    assert there.verify(TAG) == other
    assert before == {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_of_two_artefacts_pushed_at_once_one_is_told(
    here: Store, there: Store, remote: RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = register(here, version="first")
    register(there, version="first", model=estimator(answer=0), make_card=trained(7))
    looked = RemoteStore.manifest
    asked: list[str] = []

    def overtaken(self: RemoteStore, tag: str) -> Manifest | None:
        asked.append(tag)
        found = looked(self, tag)
        if len(asked) == 1:
            push(here, TAG, remote)
        return found

    monkeypatch.setattr(RemoteStore, "manifest", overtaken)
    with pytest.raises(ArtefactDiffers, match=first.digest):
        push(there, TAG, remote)

    monkeypatch.undo()
    assert remote.manifest(TAG) == first


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(lambda path: path.unlink(), "is missing", id="gone"),
        pytest.param(lambda path: path.write_bytes(b""), "another", id="empty"),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes()[:-1]), "another", id="cut"
        ),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes() + b" "),
            "another",
            id="longer",
        ),
        pytest.param(
            lambda path: path.write_bytes(b"\x80" + path.read_bytes()[1:][::-1]),
            "another",
            id="altered",
        ),
    ],
)
def test_a_file_that_is_not_what_was_registered_is_never_seen(
    spoil: Callable[[Path], object],
    reason: str,
    pushed: Manifest,
    there: Store,
    remote: RemoteStore,
    folder: Path,
) -> None:
    spoil(blob(folder, pushed, "saved_model.pkl"))

    with pytest.raises(ArtefactRefused, match=rf"saved_model\.pkl.*{reason}"):
        pull(there, TAG, remote)

    assert (there.tags(), there.entries("iris")) == ([], [])
    assert [one for one in there.staging.iterdir() if one.is_dir()] == []


def test_a_push_sends_again_what_is_missing_or_cut(
    pushed: Manifest, here: Store, there: Store, remote: RemoteStore, folder: Path
) -> None:
    blob(folder, pushed, "saved_model.pkl").write_bytes(b"cut")
    blob(folder, pushed, "model.yaml").unlink()

    assert push(here, TAG, remote)
    assert pull(there, TAG, remote)[1]


def test_a_manifest_that_was_cut_is_told_and_written_anew(
    pushed: Manifest, here: Store, there: Store, remote: RemoteStore, folder: Path
) -> None:
    path = manifest_file(folder)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RemoteStoreFailed, match="iris:first is damaged"):
        pull(there, TAG, remote)

    assert push(here, TAG, remote)
    assert pull(there, TAG, remote)[1]


@pytest.mark.parametrize(
    "name",
    [
        "../../escaped.txt",
        "/tmp/escaped.txt",
        "evidence/../../../escaped.txt",
        "evidence//escaped.txt",
        "..",
        "",
        "a\\..\\escaped.txt",
        "escaped\n.txt",
        "C:escaped.txt",
        "manifest.json",
        "model.yaml/escaped.txt",
    ],
)
def test_no_name_in_a_manifest_leads_elsewhere(
    name: str, pushed: Manifest, there: Store, remote: RemoteStore, folder: Path
) -> None:
    altered(
        folder,
        lambda document: document["files"].update(
            {name: document["files"]["saved_model.pkl"]}
        ),
    )
    before = set(folder.parent.parent.rglob("escaped*"))

    with pytest.raises((ArtefactRefused, StoreUnavailable)):
        pull(there, TAG, remote)

    assert there.entries("iris") == []
    assert set(folder.parent.parent.rglob("escaped*")) == before == set()
    assert not Path("/tmp/escaped.txt").exists()


def test_a_digest_in_a_manifest_is_no_path(
    pushed: Manifest, there: Store, remote: RemoteStore, folder: Path
) -> None:
    (folder / "secret").write_text("not a blob")
    altered(
        folder,
        lambda document: document["files"]["model.yaml"].update(sha256="../secret"),
    )

    with pytest.raises(ArtefactRefused, match="is no sha256"):
        pull(there, TAG, remote)


def test_a_digest_from_elsewhere_has_to_fit(
    pushed: Manifest, there: Store, remote: RemoteStore
) -> None:
    with pytest.raises(ArtefactDiffers, match=f"{pushed.digest}, not {'0' * 64}"):
        pull(there, TAG, remote, digest="0" * 64)
    assert there.entries("iris") == []

    assert pull(there, TAG, remote, digest=pushed.digest)[1]


def test_a_manifest_of_another_tag_is_refused(
    pushed: Manifest, there: Store, remote: RemoteStore, folder: Path
) -> None:
    manifest_file(folder).rename(folder / "models" / "iris" / "second.json")

    with pytest.raises(RemoteStoreFailed, match="the manifest is of iris:first"):
        pull(there, "iris:second", remote)


@pytest.mark.parametrize("tag", ["iris", "iris:latest", "../x:y", "iris:../x", "iris:"])
def test_only_an_exact_tag_is_asked_for(
    tag: str, pushed: Manifest, there: Store, remote: RemoteStore
) -> None:
    with pytest.raises(UnknownModel):
        pull(there, tag, remote)


def test_a_damaged_version_is_not_pushed(
    here: Store, remote: RemoteStore, folder: Path
) -> None:
    register(here, version="first")
    (here.models / "iris" / "first" / "saved_model.pkl").write_bytes(b"other")

    with pytest.raises(ArtefactRefused):
        push(here, TAG, remote)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("/mnt/models", "write s3://BUCKET"),
        ("nosuch://models", "nosuch"),
        ("s3://key:hunter2@bucket/models", "no secret belongs"),
    ],
)
def test_an_address_that_will_not_do_is_told_in_one_line(url: str, reason: str) -> None:
    with pytest.raises(RemoteStoreFailed, match=reason) as refused:
        RemoteStore.at(url)

    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)
