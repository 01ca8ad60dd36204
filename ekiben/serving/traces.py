"""Whether requests are traced: only where an exporter is configured, by OpenTelemetry's own variables.

Nothing of OpenTelemetry is imported here, so that who does not trace does not pay.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ekiben.errors import InvalidSettings

if TYPE_CHECKING:
    from ekiben.serving.tracing import Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
EXPORTER = "opentelemetry.exporter.otlp.proto.http"


def endpoint(environ: Mapping[str, str]) -> str | None:
    """Return the variable that says where spans go; None: nobody wants them."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return None
    return next((name for name in ENDPOINTS if environ.get(name)), None)


def check_traces(environ: Mapping[str, str]) -> str | None:
    """Return `endpoint`, after a look whether spans can be sent there at all.

    Raises:
        InvalidSettings: an exporter is configured that cannot be had.
    """
    name = endpoint(environ)
    if name is None:
        return None
    for variable in PROTOCOLS:
        if environ.get(variable, PROTOCOL) != PROTOCOL:
            raise InvalidSettings(f"{variable}: only {PROTOCOL} is spoken")
    if not _installed(EXPORTER):
        raise InvalidSettings(
            f"{name} is set, but nothing that sends spans is installed: "
            "pip install 'ekiben[tracing]'"
        )
    return name


def make_tracing(environ: Mapping[str, str]) -> "Tracing | None":
    """Return what traces this process, None where no exporter is configured.

    Raises:
        InvalidSettings: as `check_traces` says.
    """
    if check_traces(environ) is None:
        return None
    from ekiben.serving.tracing import Tracing

    return Tracing.to_collector()


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
