"""`ekiben models push` and `pull` against an S3-compatible server on this host."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import s3fs

from ekiben.errors import ArtefactDiffers, ArtefactRefused, RemoteStoreFailed
from ekiben.registry.exchange import pull, push
from ekiben.registry.manifest import Manifest
from ekiben.registry.remote import RemoteStore
from ekiben.registry.store import Store
from tests.servers import PROJECT, environment, free_port, stop
from tests.tiny import estimator, promote, register, trained

BUCKET = "versions"
URL = f"s3://{BUCKET}/ekiben"
TAG = "iris:first"
START_SECONDS = 60


@dataclass(frozen=True)
class ObjectStorage:
    """moto's server: it holds what is put there in memory, and speaks S3."""

    address: str

    @property
    def variables(self) -> dict[str, str]:
        """What the usual clients of S3 are told where to go by."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.address,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [one["Key"] for one in found]

    def ekiben(self, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ekiben", "models", *arguments],
            cwd=PROJECT,
            env=environment(home, self.variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStorage]:
    port = free_port()
    with (tmp_path_factory.mktemp("moto") / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    storage = ObjectStorage(f"http://127.0.0.1:{port}")
    try:
        until = time.monotonic() + START_SECONDS
        while not _answers(storage.address):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        yield storage
    finally:
        stop(process)


@pytest.fixture
def storage(server: ObjectStorage) -> ObjectStorage:
    """The server with one empty bucket."""
    httpx.post(f"{server.address}/moto-api/reset")
    server.client.create_bucket(Bucket=BUCKET)
    return server


@pytest.fixture
def remote(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> RemoteStore:
    """A folder of that bucket, as seen from this process."""
    for name, value in storage.variables.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    return RemoteStore.at(URL)


@pytest.fixture
def version(tmp_path: Path) -> Manifest:
    """A version in the store of `tmp_path / "here"`."""
    extras = {"evidence/rows.txt": b"1 2 3", "evidence/none.txt": b""}
    return register(Store.at(tmp_path / "here"), version="first", extras=extras)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/moto-api/", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def facts(done: subprocess.CompletedProcess[str]) -> Any:
    assert (done.returncode, done.stderr) == (0, "")
    (told,) = json.loads(done.stdout)
    return told


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_version_is_pushed_to_s3_and_pulled_by_digest(
    storage: ObjectStorage, version: Manifest, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"

    pushed = facts(storage.ekiben(here, "push", TAG, URL, "--json"))
    assert (pushed["state"], pushed["digest"]) == ("pushed", version.digest)
    assert facts(storage.ekiben(here, "push", TAG, URL, "--json"))["state"] == "there"
    assert len(storage.keys()) == len(version.files) + 1

    pulled = facts(storage.ekiben(there, "pull", TAG, URL, "--json"))
    assert (pulled["state"], pulled["digest"]) == ("pulled", version.digest)
    assert Store.at(there).read(TAG) == Store.at(here).read(TAG)
    assert Store.at(there).load(TAG).estimator.predict([[5]]) == [1]


def test_a_file_altered_in_the_bucket_is_never_seen(
    storage: ObjectStorage, version: Manifest, remote: RemoteStore, tmp_path: Path
) -> None:
    here, there = Store.at(tmp_path / "here"), Store.at(tmp_path / "there")
    push(here, TAG, remote)
    key = f"ekiben/blobs/{version.files['saved_model.pkl'].sha256}"
    content = storage.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    spoilt = content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]
    storage.client.put_object(Bucket=BUCKET, Key=key, Body=spoilt)

    with pytest.raises(ArtefactRefused, match=r"saved_model\.pkl.*another sha256"):
        pull(there, TAG, remote)

    assert there.entries("iris") == []


def test_of_different_artefacts_pushed_at_once_exactly_one_gets_there(
    version: Manifest, remote: RemoteStore, tmp_path: Path
) -> None:
    """S3 writes a manifest only where there is none: no need to be told later."""
    first, second = Store.at(tmp_path / "here"), Store.at(tmp_path / "other")
    other = register(
        second, version="first", model=estimator(answer=0), make_card=trained(7)
    )

    def end(store: Store) -> bool:
        try:
            return push(store, TAG, remote)
        except ArtefactDiffers:
            return False

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(end, (first, second)))

    assert sorted(ends) == [False, True]
    won = (version, other)[ends.index(True)]
    assert pull(Store.at(tmp_path / "there"), TAG, remote) == (won, True)


def test_a_manifest_that_is_there_is_not_written_over(
    storage: ObjectStorage, version: Manifest, remote: RemoteStore, tmp_path: Path
) -> None:
    push(Store.at(tmp_path / "here"), TAG, remote)
    other = register(
        Store.at(tmp_path / "other"), version="first", make_card=trained(7)
    )

    remote.publish(other)  # as who looked before the first one had published

    assert remote.manifest(TAG) == version


def test_the_ledger_says_which_artefact_it_has_to_be(
    storage: ObjectStorage,
    version: Manifest,
    remote: RemoteStore,
    tmp_path: Path,
) -> None:
    """Who may write to the bucket cannot put another model in the place of a release."""
    bad = Store.at(tmp_path / "other")
    other = register(bad, version="first", make_card=trained(7))
    push(bad, TAG, remote)
    there = tmp_path / "there"
    promote(there, version)

    told = refusal(storage.ekiben(there, "pull", TAG, URL))

    assert other.digest in told
    assert version.digest in told
    assert Store.at(there).entries("iris") == []


def test_a_new_machine_gets_what_is_production_and_what_was_before(
    storage: ObjectStorage, version: Manifest, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    promote(here, version)
    second = register(Store.at(here), version="second", make_card=trained(1))
    promote(here, second)
    register(Store.at(here), version="third", make_card=trained(2))

    assert storage.ekiben(here, "push", "production", URL).returncode == 0
    shutil.copytree(here / "ekiben", there / "ekiben")  # the ledger, as on PostgreSQL
    done = storage.ekiben(there, "pull", "production", URL, "--json")

    pulled = {one["tag"]: one["digest"] for one in json.loads(done.stdout)}
    assert pulled == {TAG: version.digest, "iris:second": second.digest}
    assert sorted(Store.at(there).tags("iris")) == sorted(pulled)


def test_what_is_not_there_is_told(
    storage: ObjectStorage, version: Manifest, remote: RemoteStore, tmp_path: Path
) -> None:
    here = Store.at(tmp_path / "here")

    with pytest.raises(RemoteStoreFailed, match=f"{URL} has no {TAG}"):
        pull(here, TAG, remote)
    with pytest.raises(RemoteStoreFailed, match="s3://absent/x: no such bucket"):
        push(here, TAG, RemoteStore.at("s3://absent/x"))
    assert storage.client.list_buckets()["Buckets"][1:] == []


def test_a_store_that_is_away_is_told_of_in_time(
    version: Manifest, tmp_path: Path
) -> None:
    away = ObjectStorage(f"http://127.0.0.1:{free_port()}")
    began = time.monotonic()

    told = refusal(away.ekiben(tmp_path / "here", "push", TAG, URL))

    assert URL in told
    assert (
        time.monotonic() - began < 180
    )  # as the command itself takes a minute on a busy machine
