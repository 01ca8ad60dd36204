"""The worker's log: every line that it prints is one JSON object on standard output."""

import logging
import sys
import threading
import time
from types import TracebackType

from pythonjsonlogger.json import JsonFormatter

from ekiben.errors import EkibenError

FIELDS = "{asctime}{levelname}{name}{message}"
RENAMED = {"asctime": "time", "levelname": "level", "name": "logger"}
BENTOML_LOGGER = "bentoml._internal.server.http_app"
OTHERS = ("bentoml", "uvicorn", "uvicorn.error", "uvicorn.access", "circus")
"""Loggers that have a format of their own when a worker starts."""

log = logging.getLogger(__name__)


class OneLine(JsonFormatter):
    """Records as JSON, times in UTC; ASCII, so that nothing in them can end a line."""

    default_msec_format = "%s.%03dZ"
    default_time_format = "%Y-%m-%dT%H:%M:%S"

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(
            FIELDS, style="{", rename_fields=RENAMED, json_ensure_ascii=True
        )


def configure_logs(level: str) -> None:
    """Send every logger's records, warnings and uncaught exceptions out as JSON lines.

    Ekiben's and BentoML's from *level* on; those of other libraries from warnings on, or
    from *level* if that is higher. Process-wide: for the start of a server process only.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(OneLine())
    least = getattr(logging, level.upper())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(least, logging.WARNING))
    for name in OTHERS:
        other = logging.getLogger(name)
        other.handlers = []
        other.propagate = True
        other.setLevel(logging.NOTSET)
    for name in ("ekiben", "bentoml"):
        logging.getLogger(name).setLevel(least)
    logging.captureWarnings(True)
    logging.getLogger(BENTOML_LOGGER).addFilter(is_unexpected)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def is_unexpected(record: logging.LogRecord) -> bool:
    """Whether BentoML's record is of something that nobody foresaw.

    BentoML writes a traceback for every exception of an endpoint; a full queue or a
    deadline that passed is none, and is counted in the metrics.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], EkibenError))


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    log.critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and arguments.exc_type is not SystemExit:
        _log_uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
