"""Bentos are found by exact names, and refused where something could become a command."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ekiben.errors import BuildRefused, UnknownBento
from ekiben.packaging.bentos import LOCKS, TEMPLATE, find_bento

TOLD: dict[str, Any] = {
    "name": "ekiben-server",
    "version": "",
    "creation_time": "2026-01-01T00:00:00+00:00",
    "labels": {"project": "ekiben"},
    "services": [{"models": [{"tag": "iris:a1"}, {"tag": "spam:b2"}]}],
    "docker": {"python_version": "3.11", "env": None, "system_packages": None},
}


def put(home: Path, version: str, **more: Any) -> Path:
    path = home / "bentos" / "ekiben-server" / version
    for one in (TEMPLATE, *LOCKS):
        (path / one).parent.mkdir(parents=True, exist_ok=True)
        (path / one).write_text("")
    told = {**TOLD, "version": version, **more}
    (path / "bento.yaml").write_text(yaml.safe_dump(told))
    (path.parent / "latest").write_text(version)
    return path


@pytest.mark.parametrize("asked", [None, "aaa2", "ekiben-server:aaa2", "aaa"])
def test_a_bento_is_found(tmp_path: Path, asked: str | None) -> None:
    put(tmp_path, "bbb1")
    put(tmp_path, "aaa2")

    found = find_bento(tmp_path, "ekiben-server", asked)

    assert found.tag == "ekiben-server:aaa2"
    assert found.models == ("iris:a1", "spam:b2")
    assert found.python == "3.11"
    assert found.system_packages == ()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("aa", "may be any of aaa1, aaa2"),
        ("ccc", "not in the store"),
        ("other:aaa1", "not in the store"),
        ("../../etc", "no tag"),
        ("a/b:c", "no tag"),
    ],
)
def test_what_fits_none_or_several_is_refused(
    tmp_path: Path, asked: str, reason: str
) -> None:
    put(tmp_path, "aaa1")
    put(tmp_path, "aaa2")

    with pytest.raises(UnknownBento, match=reason):
        find_bento(tmp_path, "ekiben-server", asked)


def test_without_any_bento_the_way_to_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownBento, match="ekiben build"):
        find_bento(tmp_path, "ekiben-server")


@pytest.mark.parametrize(
    "more",
    [
        {"labels": {"team": "x\nRUN id"}},
        {"docker": {"base_image": "x\nRUN id"}},
        {"docker": {"env": {"A": "$(id)"}}},
        {"docker": {"env": {"A\nRUN id": "1"}}},
        {"docker": {"system_packages": ["a", "b`id`"]}},
    ],
)
def test_c81_a_bento_with_what_could_become_a_command_makes_no_image(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    put(tmp_path, "aaa1", **more)

    with pytest.raises(BuildRefused, match=r" has a"):
        find_bento(tmp_path, "ekiben-server")


def test_a_bento_by_another_template_makes_no_image(tmp_path: Path) -> None:
    (put(tmp_path, "aaa1") / TEMPLATE).unlink()

    with pytest.raises(BuildRefused, match=r"Dockerfile.template is missing"):
        find_bento(tmp_path, "ekiben-server")
