"""The server's log: one JSON object a line on standard output."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from ekiben.errors import EkibenError

FIELDS = "{asctime}{levelname}{name}{message}"
RENAMED = {"asctime": "time", "levelname": "level", "name": "logger"}
BENTOML_LOGGER = "bentoml._internal.server.http_app"


def configure_logs(level: str) -> None:
    """Send Ekiben's own records of *level* and above to standard output, as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(FIELDS, style="{", rename_fields=RENAMED))
    logger = logging.getLogger("ekiben")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())
    logging.getLogger(BENTOML_LOGGER).addFilter(is_unexpected)


def is_unexpected(record: logging.LogRecord) -> bool:
    """Whether BentoML's record is of something that nobody foresaw.

    BentoML writes a traceback for every exception of an endpoint; a full queue or a
    deadline that passed is none, and is counted in the metrics.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], EkibenError))
