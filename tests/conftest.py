"""Ce que partagent les tests de l'atelier : un serveur Prefect à eux, pour ne rien laisser dans celui de l'atelier."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping

import psutil
import pytest

from atelier.machine import processes
from tests.helpers.katas import ROOT, free_port


def pytest_sessionstart() -> None:
    """Des tests envoient Ctrl-C à ce qu'ils lancent : qu'un script ait lancé pytest avec `&` n'y change rien."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_leftover_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Un serveur dont l'état est dans un dossier temporaire s'arrête avec le test qui l'a lancé."""
    yield
    base = str(tmp_path_factory.getbasetemp())
    leftovers = [process for process in psutil.process_iter() if _home_of(process).startswith(base + os.sep)]
    for process in leftovers:
        process.kill()

    assert [] == leftovers


@pytest.fixture(scope="session")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """L'environnement d'un atelier dont l'état est ailleurs, et dont le serveur tourne."""
    home = str(tmp_path_factory.mktemp("atelier"))
    # Des ports où personne n'écoute : les serveurs de `make up`, s'ils tournent, ne sont pas ceux de ces tests.
    ports = {"ATELIER_PREFECT_PORT": str(free_port()), "ATELIER_MLFLOW_PORT": str(free_port())}
    environment = {"ATELIER_HOME": home, "PREFECT_API_URL": "", "MLFLOW_TRACKING_URI": "", "ATELIER_WARM": "0", **ports}
    _python(environment, "-c", "from atelier.prefect.server import ensure_server; ensure_server()")
    yield environment
    _python(environment, "-m", "atelier", "down")


def _home_of(process: psutil.Process) -> str:
    try:
        return process.environ().get(processes.VARIABLE, "")
    except psutil.Error:
        return ""


def _python(environment: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True)
