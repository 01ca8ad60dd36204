"""The settings: read once from a mapping, wrong ones refused in one line."""

from pathlib import Path

import pytest

from ekiben.errors import InvalidSettings
from ekiben.settings import Settings


def test_nothing_set_gives_the_defaults() -> None:
    settings = Settings.from_env({})

    assert settings.fast_route
    assert settings.models == ()
    assert settings.deadline_ms == 30_000


def test_an_empty_value_counts_as_not_set() -> None:
    assert Settings.from_env({"EKIBEN_DEADLINE_MS": ""}).deadline_ms == 30_000


def test_values_are_read_from_their_names() -> None:
    settings = Settings.from_env(
        {
            "BENTOML_HOME": "/srv/bentoml",
            "EKIBEN_MODELS": "turnover, fraud",
            "EKIBEN_FAST_ROUTE": "false",
            "EKIBEN_DATA_DIR": "/srv/data",
        }
    )

    assert settings.home == Path("/srv/bentoml")
    assert settings.models == ("turnover", "fraud")
    assert not settings.fast_route
    assert settings.data_dir == Path("/srv/data")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EKIBEN_DEADLINE_MS", "soon"),
        ("EKIBEN_DEADLINE_MS", "0"),
        ("EKIBEN_FAST_ROUTE", "perhaps"),
        ("EKIBEN_RELEASES", "latest"),
        ("EKIBEN_ROWS_IN_FLIGHT", "999"),
        ("EKIBEN_LOG_LEVEL", "loud"),
        ("EKIBEN_RATE_LIMIT", "1000/1s"),
        ("EKIBEN_DEADLINE", "5"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=name) as refused:
        Settings.from_env({name: value})

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "EKIBEN_SERVICE_HOST",
        "EKIBEN_PORT",
        "EKIBEN_PORT_3000_TCP",
        "EKIBEN_PORT_3000_TCP_ADDR",
        "EKIBEN_SERVICE_PORT_HTTP",
        "EKIBEN_CANARY_SERVICE_HOST",
        "EKIBEN_CANARY_PORT_80_TCP_PROTO",
    ],
)
def test_what_kubernetes_adds_beside_a_service_is_no_setting(name: str) -> None:
    assert Settings.from_env({name: "10.0.0.1"}) == Settings.from_env({})


@pytest.mark.parametrize(
    ("given", "url"),
    [
        pytest.param(None, "sqlite:////srv/bentoml/ekiben/ledger.db", id="default"),
        pytest.param("sqlite:////srv/l.db", "sqlite:////srv/l.db", id="file"),
        pytest.param("postgresql://h/d", "postgresql://h/d", id="postgresql"),
    ],
)
def test_the_ledger_is_beside_the_models_unless_it_is_said(
    given: str | None, url: str
) -> None:
    settings = Settings.from_env(
        {"BENTOML_HOME": "/srv/bentoml", "EKIBEN_DATABASE_URL": given or ""}
    )

    assert settings.ledger_url == url


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite://", id="in-memory"),
        pytest.param("sqlite:///:memory:", id="in-memory-by-name"),
        pytest.param("mysql://ada:s3cret@host/db", id="another-database"),
        pytest.param("/srv/ledger.db", id="a-path"),
    ],
)
def test_an_address_of_no_ledger_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidSettings, match="EKIBEN_DATABASE_URL") as refusal:
        Settings.from_env({"EKIBEN_DATABASE_URL": url})
    assert "s3cret" not in str(refusal.value)


def test_the_password_of_the_ledger_is_not_shown() -> None:
    url = "postgresql://ada:s3cret@host/db"

    assert "s3cret" not in repr(Settings.from_env({"EKIBEN_DATABASE_URL": url}))
