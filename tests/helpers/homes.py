"""Des ateliers à part : chacun son dossier d'état et ses ports, loin de celui qui tourne peut-être."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from atelier.machine import processes
from atelier.machine.paths import state_dir
from tests.helpers.ports import free_port

# Celui du dépôt, avant que les tests n'aient le leur : ce qui est long à faire y est déjà fait.
USUAL = state_dir()
# La base MLflow migrée, et l'inventaire des polices : plusieurs secondes, dans chaque dossier neuf.
READY_MADE = ("mlflow/*/template.db", "matplotlib/*.json")
PORTS = ("ATELIER_PREFECT_PORT", "ATELIER_MLFLOW_PORT", "ATELIER_DAGSTER_PORT")
ELSEWHERE = ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "ATELIER_SIDECARS", "CODESPACE_NAME")

# Celui des tests de ce processus.
own: dict[str, str] = {}


def new_home(folder: Path) -> dict[str, str]:
    """L'environnement d'un atelier dont l'état est dans ce dossier, et dont rien ne tourne encore."""
    for file in [file for pattern in READY_MADE for file in USUAL.glob(pattern)]:
        copy = folder / file.relative_to(USUAL)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    ports = {name: str(free_port()) for name in PORTS}
    return {"ATELIER_HOME": str(folder), **ports, **dict.fromkeys(ELSEWHERE, "")}


def is_own() -> bool:
    """Dit si l'environnement est bien, en ce moment, celui que ces tests ont reçu de `own_home`."""
    return bool(own) and own.items() <= os.environ.items()


def running_under(folder: Path) -> Iterator[psutil.Process]:
    """Les processus dont l'état est dans ce dossier, donc lancés par ces tests, et par aucun autre."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environment = process.environ()
            marks = [environment.get(name, "") for name in (processes.VARIABLE, "ATELIER_HOME")]
            if any(mark.startswith(f"{folder}{os.sep}") for mark in marks) and processes.is_alive(process):
                yield process
