"""Les erreurs que Prefect journalise sans s'arrêter : un hook, une clé de cache, une condition de retry."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("prefect.task_runs", "prefect.flow_runs")
# Les autres erreurs de ces journaux sont l'échec du run lui-même, que l'on connaît déjà.
SWALLOWED = ("An error was encountered while running", "Error encountered when computing cache key")


@contextmanager
def swallowed_errors() -> Iterator[list[BaseException]]:
    """Les erreurs ainsi tues pendant ce bloc ; n'affiche rien de plus, et ne cache rien à qui écoute déjà."""
    errors: list[BaseException] = []
    handler = _Handler(errors)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger, logger.level, logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        if logger.isEnabledFor(logging.ERROR):
            logger.handlers = [*logger.handlers, handler]
        else:
            logger.setLevel(logging.ERROR)
            logger.handlers, logger.propagate = [handler], False
    try:
        yield errors
    finally:
        for logger, level, handlers, propagate in before:
            logger.setLevel(level)
            logger.handlers, logger.propagate = handlers, propagate


class _Handler(logging.Handler):
    def __init__(self, errors: list[BaseException]) -> None:
        super().__init__()
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] and record.getMessage().startswith(SWALLOWED):
            self._errors.append(record.exc_info[1])
