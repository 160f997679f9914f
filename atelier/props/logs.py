"""Tout ce qui se journalise pendant un test : par tous les loggers, à tous les niveaux, traces comprises."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Logs(logging.Handler):
    """Les lignes journalisées, dans l'ordre."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Garde une ligne."""
        self.records.append(record)

    def showing(self, text: str) -> list[str]:
        """Les loggers et les niveaux des lignes qui contiennent ce texte, fût-ce dans la trace d'une erreur."""
        found = [record for record in self.records if text in self.format(record)]
        return list(dict.fromkeys(f"{record.name}, {record.levelname}" for record in found))

    def warnings_of(self, file: Path | str) -> list[str]:
        """Les avertissements et les erreurs que ce fichier journalise lui-même."""
        ours = [record for record in self.records if record.pathname == str(file)]
        return [record.getMessage() for record in ours if record.levelno >= logging.WARNING]

    @property
    def hook_error(self) -> BaseException | None:
        """L'erreur du dernier hook qui en a levé une : Prefect la journalise, et c'est tout."""
        errors = [record.exc_info[1] for record in self.records if record.exc_info and "running hook" in record.msg]
        return errors[-1] if errors else None


@contextmanager
def all_logs() -> Iterator[Logs]:
    """Détourne tous les loggers, le temps du bloc, quels que soient leurs réglages ; ceux que pose le bloc comptent."""
    logs = Logs()
    known = logging.root.manager.loggerDict.values()
    loggers = [logging.root, *(logger for logger in known if isinstance(logger, logging.Logger))]
    before = [(logger, logger.level, logger.handlers, logger.propagate) for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.NOTSET)
            logger.handlers, logger.propagate = [], True
        logging.root.addHandler(logs)
        yield logs
    finally:
        for logger, level, handlers, propagate in before:
            logger.setLevel(level)
            logger.handlers, logger.propagate = handlers, propagate
