"""Un serveur MLflow partagé : des expériences d'un kata, chacun ne jette que les siennes, une fois leurs tests finis.

Chaque étudiant est un vrai processus, et a son dossier d'état ; le serveur est celui de `make up`.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from atelier.machine.web import fetch_json
from tests.helpers.katas import ROOT
from tests.helpers.ports import free_port

pytestmark = pytest.mark.slow

# Ce que fait un test : une expérience, puis, plus tard, un run.
STUDENT = """\
from atelier.mlflow.store import prepare_environment

prepare_environment()
from atelier.mlflow.probe import new_experiment

experiment = new_experiment("01_shared")
print(experiment.id, flush=True)
input()
with experiment.open_run():
    pass
"""
# L'expérience d'un processus passé, telle qu'un lancement suivant la retrouve.
FORMER = """\
import sys
from uuid import uuid4

from atelier.mlflow.store import prepare_environment

prepare_environment()
import mlflow

from atelier.machine.identity import home_id
from atelier.mlflow.probe import new_experiment

kata = uuid4().hex
tags = {"atelier.kata": kata, "atelier.process": sys.argv[1]}
if "home" in sys.argv:
    tags["atelier.home"] = home_id()
print(mlflow.MlflowClient().create_experiment(f"{kata} former", tags=tags))
new_experiment(kata)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """De quoi se servir de ce serveur MLflow."""
    port = str(free_port())
    environment = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", "ATELIER_MLFLOW_PORT": port}
    owner = {**environment, "ATELIER_HOME": str(tmp_path_factory.mktemp("server"))}
    try:
        _python(owner, "-m", "atelier", "up", "mlflow")
        yield environment
    finally:
        _python(owner, "-m", "atelier", "down")


@pytest.fixture
def playing(server: Mapping[str, str], tmp_path: Path) -> Callable:
    """De quoi jouer les tests d'un kata chez un étudiant : le temps du bloc, ils durent encore."""

    @contextmanager
    def playing(student: str) -> Iterator[str]:
        command = [sys.executable, "-c", STUDENT]
        environment = {**os.environ, **server, "ATELIER_HOME": str(tmp_path / student)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
        with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
            yield process.stdout.readline().strip()
            process.communicate("\n")

        assert 0 == process.returncode, f"{student} n'a pas pu écrire son run"

    return playing


def test_each_deletes_its_own(playing: Callable, server: Mapping[str, str]) -> None:
    """Mes expériences finies vont à la corbeille ; les miennes en cours et celles d'un voisin restent."""
    with playing("bob") as his_former:
        pass
    with playing("alice") as her_former:
        pass
    with ExitStack() as stack:
        hers = stack.enter_context(playing("alice"))
        at_her_start = _stages(server, his_former, her_former)
        his = stack.enter_context(playing("bob"))
        her_second = stack.enter_context(playing("alice"))

        assert ["active", "deleted"] == at_her_start
        assert ["deleted", "active", "active", "active"] == _stages(server, his_former, hers, his, her_second)


@pytest.mark.parametrize(
    ("stage", "tags"),
    [("deleted", [f"{os.getpid()} 0", "home"]), ("active", ["999999999"])],
    ids=["reused number", "tag of a former version"],
)
def test_process_must_be_known_and_gone(stage: str, tags: list[str], server: Mapping[str, str], tmp_path: Path) -> None:
    """Un numéro repris par un autre ne protège pas une expérience ; qui ne dit pas de qui elle est reste là."""
    former = _python({**server, "ATELIER_HOME": str(tmp_path)}, "-c", FORMER, *tags).strip()

    assert [stage] == _stages(server, former)


def _stages(server: Mapping[str, str], *experiments: str) -> list[str]:
    url = f"{server['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/experiments/get?experiment_id="
    return [fetch_json(f"{url}{id}", timeout=10)["experiment"]["lifecycle_stage"] for id in experiments]


def _python(environment: Mapping[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True, encoding="utf-8"
    ).stdout
