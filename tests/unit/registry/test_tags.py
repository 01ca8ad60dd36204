"""Exact tags."""

import pytest

from ekiben.errors import UnknownModel
from ekiben.registry.tags import check_name, split_tag

BAD_TAGS = [
    pytest.param("", id="empty"),
    pytest.param("iris", id="no-version"),
    pytest.param("iris:", id="empty-version"),
    pytest.param(":abc", id="no-name"),
    pytest.param("iris:latest", id="latest"),
    pytest.param("iris:ABC", id="upper-case-version"),
    pytest.param("Iris:abc", id="upper-case-name"),
    pytest.param("iris:a*", id="glob"),
    pytest.param("iris:a?c", id="glob-of-one"),
    pytest.param("iris:[a]bc", id="glob-class"),
    pytest.param("iris:..", id="parent"),
    pytest.param("iris:.", id="itself"),
    pytest.param("..:abc", id="parent-as-name"),
    pytest.param("iris:.hidden", id="hidden"),
    pytest.param("iris:../iris/abc", id="path"),
    pytest.param("iris:/etc", id="absolute"),
    pytest.param("iris/abc", id="slash-for-colon"),
    pytest.param("iris:abc:def", id="two-colons"),
    pytest.param("iris:abc\n", id="newline-at-the-end"),
    pytest.param("iris:abc ", id="blank-at-the-end"),
    pytest.param("iris:a\x00bc", id="nul"),
    pytest.param("iris:äbc", id="not-ascii"),
    pytest.param("iris:" + "a" * 64, id="too-long"),
]


def test_an_exact_tag_is_split_into_use_case_and_version() -> None:
    assert split_tag("iris:gy5pjgxfj6gikax4") == ("iris", "gy5pjgxfj6gikax4")


@pytest.mark.parametrize("tag", BAD_TAGS)
def test_anything_but_an_exact_tag_is_unknown(tag: str) -> None:
    with pytest.raises(UnknownModel):
        split_tag(tag)


@pytest.mark.parametrize("name", ["", "..", "a/b", "Iris", "-iris", "iris.", "iris\n"])
def test_a_name_that_is_no_file_name_is_unknown(name: str) -> None:
    with pytest.raises(UnknownModel):
        check_name(name)
