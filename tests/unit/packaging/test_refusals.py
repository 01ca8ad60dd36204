"""C-81: no value of bentofile.yaml may become a command, a line or a template."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from ekiben.errors import BuildRefused
from ekiben.packaging.refusals import check_bentofile, check_value
from tests.servers import PROJECT

OURS: dict[str, Any] = yaml.safe_load((PROJECT / "bentofile.yaml").read_text())
ATTACKS = {
    "newline": "x\nRUN id",
    "carriage-return": "x\rRUN id",
    "line-separator": "x\u2028RUN id",
    "quote": "x' ; id ; '",
    "double-quote": 'x" ; id ; "',
    "backtick": "x`id`",
    "command": "x$(id)",
    "variable": "x${HOME}",
    "expression": "x{{ 7 * 7 }}",
    "statement": "x{% include '/etc/passwd' %}",
    "comment": "x{# #}",
    "backslash": "x\\",
    "nul": "x\x00",
}
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "package": lambda text: {"python": {"packages": [text]}},
    "requirements": lambda text: {"python": {"requirements_txt": text}},
    "pip-arguments": lambda text: {"python": {"pip_args": text}},
    "index": lambda text: {"python": {"index_url": text}},
    "system-package": lambda text: {"docker": {"system_packages": [text]}},
    "env-name": lambda text: {"docker": {"env": {text: "1"}}},
    "env-value": lambda text: {"docker": {"env": {"A": text}}},
    "base-image": lambda text: {"docker": {"base_image": text}},
    "python-version": lambda text: {"docker": {"python_version": text}},
    "description": lambda text: {"description": text},
    "label": lambda text: {"labels": {"team": text}},
    "label-name": lambda text: {"labels": {text: "x"}},
    "name": lambda text: {"name": text},
    "include": lambda text: {"include": [text]},
    "build-env": lambda text: {"envs": [{"name": "A", "value": text}]},
    "conda": lambda text: {"conda": {"dependencies": [text]}},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("attack", ATTACKS)
def test_c81_a_value_that_could_become_a_command_is_refused(
    place: str, attack: str
) -> None:
    content = {**copy.deepcopy(OURS), **PLACES[place](ATTACKS[attack])}

    with pytest.raises(BuildRefused, match=r"^[^\n]* has an? [^\n]*$"):
        check_bentofile(content)


def test_our_own_bentofile_is_let_through() -> None:
    check_bentofile(OURS)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"include": ["/ekiben/../../secrets/*"]}, "leaves the project"),
        ({"include": ["../x.py"]}, "leaves the project"),
        ({"docker": {"setup_script": "./x.sh"}}, "has no effect"),
        ({"docker": {"system_packages": ["libgomp1; id"]}}, "no name of a Debian"),
        (
            {"docker": {"system_packages": ["--allow-downgrades"]}},
            "no name of a Debian",
        ),
        ({"docker": {"env": {"A B": "1"}}}, "no variable name"),
        ({"docker": {"env": ["A=1"]}}, "has to be a mapping"),
        ({"docker": {"base_image": "a AS b"}}, "has a space"),
        ({"docker": "x"}, "no mapping"),
    ],
)
def test_c81_what_would_leave_the_project_or_do_nothing_is_refused(
    more: dict[str, Any], message: str
) -> None:
    with pytest.raises(BuildRefused, match=message):
        check_bentofile({**OURS, **more})


@pytest.mark.parametrize("content", [None, [], "x"])
def test_what_is_no_mapping_is_no_bentofile(content: object) -> None:
    with pytest.raises(BuildRefused, match="no mapping"):
        check_bentofile(content)


@pytest.mark.parametrize(
    "text", ["python:3.11-slim", "registry.example/ekiben@sha256:abc", "a b-c_d/e.f"]
)
def test_names_as_people_use_them_are_let_through(text: str) -> None:
    check_value("here", text)
