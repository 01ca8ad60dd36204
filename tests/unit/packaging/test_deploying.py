"""Deploy, roll back, resume, remove: what is kept on the disk, and what is refused."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from ekiben.access.database import KeyDatabase
from ekiben.errors import DeployBusy, DeployFailed, DeployRefused, UnknownModel
from ekiben.packaging import deploying
from ekiben.packaging.balancer import Answer
from ekiben.packaging.bentos import Bento
from ekiben.packaging.deploying import Deployer, Wish
from ekiben.packaging.deployments import Deployment, Place
from ekiben.registry.store import Store
from tests.tiny import ledger_url, register
from tests.unit.packaging.hosts import GOOD, NEVER, WRONG, Host

SECRET = "a-secret-of-32-characters-or-more"


class Site:
    """A home with Bentos b1, b2 ... of the versions iris:v1, iris:v2 ..., on a host in memory."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.place = Place(home, "ekiben")
        self.host = Host(Store.at(home), dict.fromkeys(range(1, 9), GOOD))
        self.environ = {"BENTOML_HOME": str(home), "EKIBEN_QUEUE_MS": "900"}
        self.said: list[str] = []
        monkeypatch.setattr(deploying, "Balancer", lambda *_: self.host)
        monkeypatch.setattr(deploying, "runtimes_of", lambda *_: lambda _: self.host)
        monkeypatch.setattr(deploying, "haproxy", lambda: "haproxy")

    @property
    def deployer(self) -> Deployer:
        return Deployer(self.place, self.environ, wait_seconds=0, tell=self.said.append)

    def deploy(
        self, number: int, host: str | None = "127.0.0.1", port: int | None = 20000
    ) -> Deployment:
        return self.deployer.deploy(Wish(self.bento(number), "process", host, port))

    def bento(self, number: int) -> Bento:
        tag = f"iris:v{number}"
        try:
            Store.at(self.home).manifest(tag)
        except UnknownModel:
            register(Store.at(self.home), version=f"v{number}")
        path = self.home / "bentos" / "ekiben-server" / f"b{number}"
        (path / "src").mkdir(parents=True, exist_ok=True)
        told = {"labels": {}, "services": [{"models": [{"tag": tag}]}]}
        (path / "bento.yaml").write_text(yaml.safe_dump(told))
        now = datetime.now(UTC).isoformat()
        return Bento(f"ekiben-server:b{number}", path, now, (tag,), "3.11", ())

    def state(self) -> Deployment:
        found = self.place.read()
        assert found
        return found


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def test_what_was_deployed_is_written_down_with_its_models_and_settings(
    site: Site,
) -> None:
    done = site.deploy(1)

    assert done == site.state()
    assert (done.current, done.previous, done.target) == (1, None, None)
    revision = done.revision(1)
    assert revision.models == {"iris": "iris:v1"}
    assert revision.settings == {"EKIBEN_QUEUE_MS": "900"}
    kept = site.place.revision(1)
    assert (kept / "models" / "iris" / "v1" / "manifest.json").is_file()
    assert (kept / "bentos" / "ekiben-server" / "b1" / "bento.yaml").is_file()


def test_the_same_again_changes_nothing(site: Site) -> None:
    before = site.deploy(1)

    assert site.deploy(1) == before


def test_other_settings_are_another_revision(site: Site) -> None:
    before = site.deploy(1)
    site.environ["EKIBEN_QUEUE_MS"] = "800"
    site.host.versions[2] = "v1"

    done = site.deploy(1)

    assert (done.current, done.previous) == (2, 1)
    assert {one.number for one in done.replicas}.isdisjoint(
        one.number for one in before.replicas
    )


@pytest.mark.parametrize("behaviour", [WRONG, NEVER])
def test_what_is_not_fit_is_undone_and_forgotten(site: Site, behaviour: str) -> None:
    before = site.deploy(1)
    site.host.behaviour[2] = behaviour

    with pytest.raises(DeployFailed, match="ekiben-server:b1 answers as before"):
        site.deploy(2)

    after = site.state()
    assert (after.current, after.previous, after.target) == (1, None, None)
    assert after.replicas == before.replicas
    assert not site.place.revision(2).exists()


def test_with_what_is_undone_the_number_of_replicas_is_too(site: Site) -> None:
    before = site.deploy(1)
    site.host.behaviour[2] = WRONG

    with pytest.raises(DeployFailed):
        site.deployer.deploy(Wish(site.bento(2), "process", "127.0.0.1", 20000, 4))

    assert site.state().count == 2
    assert site.state().replicas == before.replicas


def test_a_first_deploy_that_is_not_fit_leaves_nothing(site: Site) -> None:
    site.host.behaviour[1] = WRONG

    with pytest.raises(DeployFailed, match="nothing is deployed"):
        site.deploy(1)

    assert not site.place.path.exists()
    assert site.host.servers == {}


def test_a_rollback_goes_back_and_a_second_one_forth_again(site: Site) -> None:
    site.deploy(1)
    with pytest.raises(DeployRefused, match="no revision before"):
        site.deployer.roll_back()
    site.deploy(2)

    back, left = site.deployer.roll_back()
    assert (back.current, back.previous, left.number) == (1, 2, 2)
    assert {one.revision for one in site.host.servers.values()} == {1}

    forth, left = site.deployer.roll_back()
    assert (forth.current, forth.previous, left.number) == (2, 1, 1)


def test_only_what_a_rollback_needs_is_kept(site: Site) -> None:
    for number in (1, 2, 3):
        site.deploy(number)

    assert [one.number for one in site.state().revisions] == [2, 3]
    kept = {path.name for path in site.place.revision(0).parent.iterdir()}
    assert kept == {"2", "3"}


def test_an_address_is_not_changed_in_passing(site: Site) -> None:
    before = site.deploy(1)

    with pytest.raises(DeployRefused, match="undeploy it first"):
        site.deploy(2, port=20500)

    assert site.state() == before


def test_an_address_is_asked_for_once(site: Site) -> None:
    before = site.deploy(1, port=20500)

    after = site.deploy(2, host=None, port=None)

    assert (after.current, after.host, after.port) == (2, before.host, 20500)


def test_the_first_address_is_the_one_of_the_readme(site: Site) -> None:
    done = site.deploy(1, host=None, port=None)

    assert (done.host, done.port, done.count) == ("127.0.0.1", 3000, 2)


def test_an_address_that_others_reach_asks_for_keys_whoever_names_it(
    site: Site,
) -> None:
    site.environ["EKIBEN_KEY_PEPPER"] = SECRET
    site.deploy(1, host="0.0.0.0")

    assert site.deploy(2, host=None).revision(2).settings["EKIBEN_AUTH"] == "required"
    site.environ["EKIBEN_AUTH"] = "off"
    with pytest.raises(DeployRefused, match=r"not for 0\.0\.0\.0"):
        site.deploy(3, host=None)


def test_an_address_that_others_reach_asks_for_keys_and_the_check_has_one(
    site: Site,
) -> None:
    site.environ["EKIBEN_KEY_PEPPER"] = SECRET
    seen: list[tuple[str, dict[str, str]]] = []
    real = site.host.ask_one

    def ask(
        slot: int, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        seen.append((path, dict(headers)))
        return real(slot, path, body, headers)

    site.host.ask_one = ask  # type: ignore[method-assign]

    done = site.deploy(1, host="0.0.0.0")

    assert done.revision(1).settings["EKIBEN_AUTH"] == "required"
    shown = {one["Authorization"] for path, one in seen if "predict" in path}
    assert len(shown) == 1
    assert shown.pop().startswith("Bearer ekb_")
    with KeyDatabase.opened(ledger_url(site.home)) as database:
        (key,) = database.read_all()
    assert key.scopes == ("predict",)
    assert key.revoked is not None


def test_keys_are_not_switched_off_where_others_reach(site: Site) -> None:
    site.environ["EKIBEN_AUTH"] = "off"

    with pytest.raises(DeployRefused, match=r"EKIBEN_AUTH: off is not for 0\.0\.0\.0"):
        site.deploy(1, host="0.0.0.0")

    assert site.place.read() is None


def test_secrets_are_written_nowhere(site: Site) -> None:
    site.environ["EKIBEN_KEY_PEPPER"] = SECRET
    site.environ["EKIBEN_DATABASE_URL"] = f"sqlite:///{site.home}/{SECRET}.db"

    site.deploy(1)

    files = [path for path in site.place.path.rglob("*") if path.is_file()]
    assert site.place.file in files
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    "act",
    [
        lambda site: site.deploy(2),
        lambda site: site.deployer.roll_back(),
        lambda site: site.deployer.resume(),
        lambda site: site.deployer.remove(),
    ],
    ids=["deploy", "rollback", "resume", "undeploy"],
)
def test_two_at_once_are_refused(site: Site, act: Callable[[Site], object]) -> None:
    before = site.deploy(1)

    with site.place.locked(), pytest.raises(DeployBusy):
        act(site)

    assert site.state() == before


def test_resume_brings_back_what_the_file_says(site: Site) -> None:
    before = site.deploy(1)
    site.host.servers.clear()
    site.host.kept.clear()

    assert site.deployer.resume().replicas == before.replicas
    assert len(site.host.servers) == 2


def test_undeploy_leaves_nothing_and_has_nothing_to_do_twice(site: Site) -> None:
    site.deploy(1)

    site.deployer.remove()

    assert site.host.servers == {}
    assert not site.place.path.exists()
    with pytest.raises(DeployRefused, match="nothing is deployed as ekiben"):
        site.deployer.remove()


def test_a_file_that_is_damaged_is_refused_and_not_replaced(site: Site) -> None:
    site.deploy(1)
    told = json.loads(site.place.file.read_text())
    site.place.file.write_text(json.dumps(told | {"format": 2}))

    with pytest.raises(DeployRefused, match=r"deployment\.json"):
        site.deploy(2)

    assert json.loads(site.place.file.read_text())["format"] == 2


@pytest.mark.parametrize("name", ["..", "a/b", "", "-x", "UP"])
def test_a_name_that_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeployRefused, match="no name for a deployment"):
        Place(tmp_path, name)
