"""Exact tags: name:version, nothing that BentoML would complete, lower or search for."""

import re

from ekiben.errors import UnknownModel

NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
"""A use case or a version, as BentoML takes it: never hidden, never `..`."""


def check_name(name: str) -> str:
    """Return *name*, known to be usable as a file name.

    Raises:
        UnknownModel: it is no name.
    """
    if not NAME.fullmatch(name):
        raise UnknownModel(name)
    return name


def split_tag(tag: str) -> tuple[str, str]:
    """Return use case and version of an exact *tag*.

    Raises:
        UnknownModel: it is not name:version, or the version is `latest`.
    """
    name, _, version = tag.partition(":")
    if not (NAME.fullmatch(name) and NAME.fullmatch(version)) or version == "latest":
        raise UnknownModel(tag)
    return name, version
