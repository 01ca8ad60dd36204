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
        ("EKIBEN_QUEUE_ROWS", "999"),
        ("EKIBEN_LOG_LEVEL", "loud"),
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
