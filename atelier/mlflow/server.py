"""`mlflow server`, moins le processus qui ne fait qu'attendre l'autre.

La commande de MLflow prépare la base, compose une commande `uvicorn`, la lance, puis attend sa fin en gardant 200 Mo.
Ici, elle devient cette commande : mêmes options, mêmes réglages, un seul processus à surveiller et à arrêter.
"""

import os
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import NoReturn

import mlflow.server
from mlflow.cli import cli

BACKEND = "--backend-store-uri"


def main() -> None:
    """Prend les options de `mlflow server`."""
    if BACKEND in sys.argv:
        _write_ahead(sys.argv[sys.argv.index(BACKEND) + 1].removeprefix("sqlite:///"))
    if sys.platform != "win32":  # Windows ne sait pas remplacer un processus
        mlflow.server._exec_cmd = _become
    cli(["server", *sys.argv[1:]])


def _write_ahead(database: str) -> None:
    """Un journal d'avance, que SQLite retient : chaque écriture, sur un disque lent, dure trois fois moins."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _become(command: Sequence[str], extra_env: Mapping[str, str], **_: object) -> NoReturn:
    python, *arguments = command
    options = [item for name, value in sys._xoptions.items() for item in ("-X", f"{name}={value}")]
    os.execve(python, [python, *options, *arguments], {**os.environ, **extra_env})


if __name__ == "__main__":
    main()
