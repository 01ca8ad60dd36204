"""What may not stand in a value that BentoML writes into a Dockerfile or a shell command.

BentoML renders these values as they are: a newline in a description ends a comment, and
`$(...)` in a package name runs. None of it is needed, so all of it is refused.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ekiben.errors import BuildRefused

MARKS = {
    "a line break": re.compile(r"[\r\n\v\f\x85\u2028\u2029]"),
    "a control character": re.compile(r"[\x00-\x1f\x7f]"),
    "a template mark": re.compile(r"\{[{%#]|[%#}]\}"),
    "a quotation mark": re.compile(r"[\"'`]"),
    "a dollar sign": re.compile(r"\$"),
    "a backslash": re.compile(r"\\"),
}
UNSUPPORTED = ("distro", "cuda_version", "setup_script")
"""Of the section `docker`: the image is made without them, so they would do nothing."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*(=[A-Za-z0-9.+:~-]+)?")


def check_bentofile(content: object) -> None:
    """Look at a parsed bentofile.yaml before BentoML does.

    Raises:
        BuildRefused: a value holds what could become a command; it names where and what.
    """
    if not isinstance(content, Mapping):
        raise BuildRefused("bentofile.yaml is no mapping")
    for path, text in _strings(content, ""):
        check_value(f"bentofile.yaml: {path}", text)
    _check_docker(_section(content, "docker"))
    for pattern in content.get("include") or ():
        if ".." in str(pattern).split("/"):
            raise BuildRefused(f"bentofile.yaml: include: {pattern} leaves the project")


def check_value(where: str, text: str) -> None:
    """Refuse *text* if it holds a line break, a quotation mark, `$`, a template mark.

    Raises:
        BuildRefused: it does.
    """
    for what, mark in MARKS.items():
        if mark.search(text):
            raise BuildRefused(f"{where} has {what}")


def _check_docker(docker: Mapping[Any, Any]) -> None:
    for name in UNSUPPORTED:
        if docker.get(name):
            raise BuildRefused(f"bentofile.yaml: docker.{name} has no effect here")
    env = docker.get("env") or {}
    if not isinstance(env, Mapping):
        raise BuildRefused("bentofile.yaml: docker.env has to be a mapping")
    for name in env:
        if not NAME.fullmatch(str(name)):
            raise BuildRefused(
                f"bentofile.yaml: docker.env: {name} is no variable name"
            )
    for package in docker.get("system_packages") or ():
        if not PACKAGE.fullmatch(str(package)):
            raise BuildRefused(
                f"bentofile.yaml: {package} is no name of a Debian package"
            )
    image = docker.get("base_image")
    if image is not None and re.search(r"\s", str(image)):
        raise BuildRefused("bentofile.yaml: docker.base_image has a space")


def _section(content: Mapping[Any, Any], name: str) -> Mapping[Any, Any]:
    found = content.get(name) or {}
    if not isinstance(found, Mapping):
        raise BuildRefused(f"bentofile.yaml: {name} is no mapping")
    return found


def _strings(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Return every string in *value*, keys included, and where it stands."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield f"a name in {path or 'the file'}", str(key)
            yield from _strings(part, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _strings(part, f"{path}[{number}]")
    elif value is not None:
        yield path, str(value)
