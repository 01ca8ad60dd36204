"""The server's log lines."""

import json
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from ekiben.errors import EkibenError, Overloaded
from ekiben.serving.logs import (
    BENTOML_LOGGER,
    OTHERS,
    configure_logs,
    is_unexpected,
)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    # The root too: a level left there would hide other tests' warnings.
    loggers = [logging.getLogger(name) for name in (None, "ekiben", "bentoml", *OTHERS)]
    before = [(one, one.handlers, one.propagate, one.level) for one in loggers]
    hooks = sys.excepthook, threading.excepthook
    yield
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(False)
    logging.getLogger(BENTOML_LOGGER).removeFilter(is_unexpected)


def test_a_record_is_one_json_line_whatever_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("info")

    logging.getLogger("ekiben.serving.x").info(
        "version loaded", extra={"tag": 'iris:1\n{"level": "forged"}'}
    )

    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    assert record["message"] == "version loaded"
    assert record["tag"] == 'iris:1\n{"level": "forged"}'
    assert (record["level"], record["logger"]) == ("INFO", "ekiben.serving.x")
    assert record["time"]


def test_what_is_less_severe_than_the_setting_is_not_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("error")

    logging.getLogger("ekiben").warning("no version promoted")

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "kept"), [(Overloaded(1.0), False), (KeyError("x"), True)]
)
def test_bentoml_s_tracebacks_are_kept_for_what_nobody_foresaw(
    error: EkibenError, kept: bool
) -> None:
    try:
        raise error
    except Exception:
        record = logging.LogRecord("x", 40, "x", 1, "x", (), sys.exc_info())

    assert is_unexpected(record) is kept
