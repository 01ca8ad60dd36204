"""What keeps an entrance from being made is said in one line, before a worker tries."""

from pathlib import Path
from typing import Any

import pytest

from ekiben.access.tokens import Terms
from ekiben.errors import InvalidSettings, PepperMissing
from ekiben.serving.access_checks import OpenDoor
from ekiben.serving.entrance import check, make_access_checks, tokens_of
from ekiben.settings import Settings
from tests.access import Issuer

WHOSE = {"jwt_issuer": "https://issuer.example", "jwt_audience": "ekiben"}


@pytest.fixture
def keys(tmp_path: Path) -> str:
    file = tmp_path / "issuer.json"
    file.write_text(Issuer().key_set())
    return str(file)


def test_whose_tokens_are_taken_is_what_the_settings_say(
    tmp_path: Path, keys: str
) -> None:
    settings = Settings(home=tmp_path, jwt_jwks=keys, **WHOSE)

    check(settings)
    found = tokens_of(settings)

    assert found is not None
    assert found[0] == Terms(
        "https://issuer.example", "ekiben", ("RS256", "ES256", "EdDSA")
    )


@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param({"jwt_issuer": None}, "EKIBEN_JWT_ISSUER", id="whose"),
        pytest.param({"jwt_audience": None}, "EKIBEN_JWT_AUDIENCE", id="for-whom"),
        pytest.param(
            {"jwt_algorithms": ("HS256",)}, "EKIBEN_JWT_ALGORITHMS", id="symmetric"
        ),
        pytest.param({"jwt_algorithms": ("none",)}, "EKIBEN_JWT_ALGORITHMS", id="none"),
        pytest.param({"jwt_algorithms": ()}, "EKIBEN_JWT_ALGORITHMS", id="no-one"),
        pytest.param({"jwt_jwks": "/no/file"}, "EKIBEN_JWT_JWKS", id="no-keys"),
    ],
)
def test_tokens_of_anybody_are_refused(
    tmp_path: Path, keys: str, given: dict[str, Any], named: str
) -> None:
    settings = Settings(home=tmp_path, **{"jwt_jwks": keys, **WHOSE, **given})

    with pytest.raises(InvalidSettings, match=named):
        check(settings)


def test_a_missing_pepper_is_told_before_a_worker_starts(tmp_path: Path) -> None:
    with pytest.raises(PepperMissing):
        check(Settings(home=tmp_path, database_url="postgresql://h/d"))


def test_an_open_door_needs_no_pepper(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url="postgresql://h/d")

    assert isinstance(make_access_checks(settings, [], [], required=False), OpenDoor)
