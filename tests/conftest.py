"""Ce que partagent les tests de l'atelier : un serveur Prefect à eux, pour ne rien laisser dans celui de l'atelier."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

import psutil
import pytest

from tests.katas import ROOT


@pytest.fixture(scope="session", autouse=True)
def no_leftover_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Un serveur dont l'état est dans un dossier temporaire s'arrête avec le test qui l'a lancé."""
    yield
    base = str(tmp_path_factory.getbasetemp())
    leftovers = [process for process in psutil.process_iter() if _home_of(process).startswith(base)]
    for process in leftovers:
        process.kill()

    assert [] == leftovers


@pytest.fixture(scope="session")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """L'environnement d'un atelier dont l'état est ailleurs, et dont le serveur tourne."""
    home = str(tmp_path_factory.mktemp("atelier"))
    environment = {"ATELIER_HOME": home, "PREFECT_API_URL": "", "ATELIER_WARM": "0"}
    _atelier("up", environment)
    yield environment
    _atelier("down", environment)


def _home_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("PREFECT_HOME", "") if "--port" in process.cmdline() else ""
    except psutil.Error:
        return ""


def _atelier(command: str, environment: Mapping[str, str]) -> None:
    arguments = [sys.executable, "-m", "atelier", command]
    subprocess.run(arguments, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True)
