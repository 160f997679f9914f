"""Ce que partagent les tests de l'atelier : un atelier à eux, pour ne rien laisser dans celui de l'étudiant."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from atelier.machine import processes
from atelier.mlflow.store import new_store
from atelier.prefect.server import ensure_server
from tests.helpers import groups, homes
from tests.helpers.katas import ROOT

# Des réponses justes et fausses, dont l'une finit par `_test.py` : rien de tout cela ne se collecte.
collect_ignore = ["accepted", "misconceptions"]


def pytest_sessionstart() -> None:
    """Des tests envoient Ctrl-C à ce qu'ils lancent : qu'un script ait lancé pytest avec `&` n'y change rien."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Répartit les tests entre les processus de pytest-xdist, s'il y en a."""
    return groups.scheduler(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Met alors les plus longs devant."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: groups.rank(item.nodeid))


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Chaque processus de pytest a son atelier : son serveur Prefect, son processus préchauffé, sa base MLflow.

    Tout s'arrête avec lui. Un serveur qu'un test a lancé ailleurs, sous son dossier temporaire, s'arrête avec ce test.
    """
    new_store(tmp_path_factory.mktemp("mlflow"))  # la base que l'on copie, faite une fois pour toutes
    environment = homes.new_home(tmp_path_factory.mktemp("atelier"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        homes.own.update(environment)
        yield environment
        subprocess.run([sys.executable, "-m", "atelier", "down"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    leftovers = list(homes.running_under(tmp_path_factory.getbasetemp()))
    servers = [process for process in leftovers if processes.VARIABLE in process.environ()]
    for process in leftovers:
        process.kill()

    assert [] == servers


@pytest.fixture(scope="session")
def own_server(own_home: Mapping[str, str]) -> Mapping[str, str]:
    """L'environnement de cet atelier, une fois que son serveur Prefect tourne."""
    ensure_server()
    return {**own_home, "ATELIER_WARM": "0"}


@pytest.fixture(scope="session")
def chromium() -> str:
    """Le navigateur du système."""
    from tools import browser
    from tools.npm import MissingTool

    try:
        return browser.executable()
    except MissingTool as problem:
        pytest.skip(str(problem))
