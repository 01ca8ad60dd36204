"""Who does not trace does not pay, and what cannot be traced is said at the start."""

import subprocess
import sys

import pytest

from ekiben.errors import InvalidSettings
from ekiben.serving import traces
from ekiben.serving.traces import make_tracing

WANTED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, id="empty"),
        pytest.param({"OTEL_SERVICE_NAME": "shop"}, id="only-a-name"),
        pytest.param({**WANTED, "OTEL_SDK_DISABLED": "true"}, id="disabled"),
        pytest.param({**WANTED, "OTEL_TRACES_EXPORTER": "none"}, id="no-traces"),
    ],
)
def test_nothing_traces_unless_an_exporter_is_configured(
    environ: dict[str, str],
) -> None:
    assert make_tracing(environ) is None


@pytest.mark.parametrize("name", traces.ENDPOINTS)
def test_an_endpoint_is_enough(name: str) -> None:
    assert traces.endpoint({name: "http://127.0.0.1:4318"}) == name


@pytest.mark.parametrize("name", traces.PROTOCOLS)
def test_another_protocol_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(InvalidSettings, match=f"^{name}: only http/protobuf is spoken"):
        make_tracing({**WANTED, name: "grpc"})


def test_without_the_extra_the_start_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(traces, "EXPORTER", "opentelemetry.exporter.absent.http")

    with pytest.raises(InvalidSettings, match=r"pip install 'ekiben\[tracing\]'"):
        make_tracing(WANTED)


def test_without_an_exporter_nothing_of_it_is_imported() -> None:
    program = (
        "import sys\n"
        "from ekiben.serving import worker, dispatcher, application, traces\n"
        "assert traces.make_tracing({}) is None\n"
        "print([m for m in sys.modules if m.startswith('opentelemetry')\n"
        "       or m == 'ekiben.serving.tracing'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
