"""Les fixtures MLflow, sur une base et sur un vrai serveur : rien ne déborde d'un test sur l'autre, ni du kata."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from atelier.machine.web import fetch_json
from tests.helpers.katas import ROOT, PytestRun, Workshop
from tests.helpers.ports import free_port

TESTS = '''\
import subprocess
import threading


def test_run_is_read_back(kata, experiment):
    """Ce que le kata écrit se relit, dans l'expérience du test."""
    kata.log(experiment.name, 1)
    assert [run.params for run in experiment.runs()] == [{"C": "1"}]


def test_runs_are_those_of_the_test(kata, experiment):
    """Les runs du test précédent ne comptent pas."""
    assert experiment.runs() == []


def test_run_elsewhere_is_told(kata, experiment):
    """Un run dans une autre expérience ne compte pas, et se retrouve."""
    kata.log(f"{experiment.name} elsewhere", 1)
    assert (experiment.runs(), experiment.elsewhere()) == ([], [f"{experiment.name} elsewhere"])


def test_run_left_open(kata):
    """Un run oublié est refusé."""
    kata.forget("forgotten")


def test_run_left_open_in_a_thread(kata):
    """Un run oublié dans un autre thread est refusé aussi."""
    thread = threading.Thread(target=kata.forget, args=["threaded"])
    thread.start()
    thread.join()


def test_own_error_comes_first(kata):
    """Un test qui échoue dit sa raison, pas le run que son échec laisse ouvert."""
    kata.forget("failed")
    assert False, "attendu : la raison\\nobtenu : une autre"


def test_everything_changes(kata):
    """Adresse, registre, expérience, autolog : le fichier change tout."""
    kata.change_everything()


def test_everything_is_back(kata):
    """Le test suivant retrouve tout comme au départ."""
    assert kata.state() == kata.FIRST_STATE


def test_model_is_logged_without_a_subprocess(kata, experiment, monkeypatch):
    """Ranger un modèle ne lance aucun Python : ce serait cinq secondes."""
    started, popen = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(a[0]) or popen(*a, **k))
    with experiment.open_run() as opened:
        kata.log_model()
    assert opened.model("model").predict([[1.0]]).round().tolist() == [1.0]
    assert [command for command in started if "python" in str(command)] == []


def test_threads_share_a_dataset(kata, experiment):
    """Huit threads notent ensemble un dataset nouveau : aucun n'échoue."""
    kata.log_datasets(experiment.name)
    assert [len(run.datasets) for run in experiment.runs()] == [1] * 8


def test_mlflow_is_silent(kata, experiment, capfd):
    """Ni lien, ni barre de progression, ni journal : la sortie est celle du kata."""
    kata.log(experiment.name, 1)
    with experiment.open_run() as opened:
        kata.log_model()
    opened.model("model")
    assert "".join(capfd.readouterr()) == ""
'''
CODE = """\
import os
import threading

import mlflow
import pandas as pd
from mlflow.utils import autologging_utils
from sklearn.linear_model import LinearRegression

NAMES = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID", "MLFLOW_REGISTRY_URI")


def state():
    settings = [os.environ.get(name) for name in NAMES]
    autolog = autologging_utils.autologging_is_disabled("sklearn")
    return mlflow.get_tracking_uri(), mlflow.get_registry_uri(), mlflow.active_run(), autolog, settings


FIRST_STATE = state()
assert FIRST_STATE[:1] != ("databricks",) and FIRST_STATE[2:] == (None, True, [FIRST_STATE[0], None, None, None])


def log(experiment, C):
    mlflow.set_experiment(experiment)
    with mlflow.start_run():
        mlflow.log_param("C", C)


def forget(name):
    mlflow.start_run(run_name=name)


def change_everything():
    mlflow.set_experiment("mine")
    mlflow.sklearn.autolog()
    with mlflow.start_run():
        LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    mlflow.set_tracking_uri("https://mlflow.example")
    mlflow.set_registry_uri("https://mlflow.example")


def log_model():
    mlflow.sklearn.log_model(LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]), name="model")


def log_datasets(experiment):
    mlflow.set_experiment(experiment)
    together = threading.Barrier(8)

    def log_dataset():
        with mlflow.start_run():
            dataset = mlflow.data.from_pandas(pd.DataFrame({"x": [1.5]}), name="shared")
            together.wait()
            mlflow.log_input(dataset)

    threads = [threading.Thread(target=log_dataset) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
LOSS_TESTS = '''\
def test_before(kata, experiment):
    """Tout va bien."""
    kata.log(experiment.name, 1)


def test_during(kata, experiment):
    """Le serveur meurt."""
    kata.lose_the_server()
    kata.log(experiment.name, 1)


def test_after(kata, experiment):
    """Plus rien ne va."""
    kata.log(experiment.name, 1)
'''
LOSS = """\


def lose_the_server():
    import signal

    import psutil

    for process in psutil.process_iter():
        try:
            if process.environ().get("ATELIER_PROCESS") == os.environ["LOST"]:
                process.send_signal(signal.SIGKILL)
        except psutil.Error:
            pass
"""
pytestmark = pytest.mark.slow
RED = {"test_run_left_open", "test_run_left_open_in_a_thread", "test_own_error_comes_first"}
# Un compte et des réglages personnels : rien n'en est lu.
PERSONAL = {
    "MLFLOW_TRACKING_URI": "databricks",
    "MLFLOW_REGISTRY_URI": "databricks-uc",
    "MLFLOW_EXPERIMENT_NAME": "/Shared/work",
    "MLFLOW_RUN_ID": "0" * 32,
    "MLFLOW_TRACKING_TOKEN": "secret",
    "DATABRICKS_HOST": "https://me.databricks.example",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """L'environnement d'un atelier à part, dont aucun serveur ne tourne."""
    home = str(tmp_path_factory.mktemp("state"))
    elsewhere = {"MLFLOW_TRACKING_URI": "", "ATELIER_MLFLOW_PORT": str(free_port())}
    return {"ATELIER_HOME": home, "ATELIER_WARM": "0", **elsewhere}


@pytest.fixture(scope="module")
def server(environment: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Le même, une fois son serveur MLflow lancé."""
    _atelier(environment, "up", "mlflow")
    yield environment
    _atelier(environment, "down")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    workshop = Workshop(tmp_path_factory.mktemp("workshop"))
    workshop.write_kata("01_tracked", "mlflow_tracked", test=TESTS, code=CODE)
    return workshop


@pytest.fixture(scope="module", params=["environment", "server"])
def run(request: pytest.FixtureRequest, workshop: Workshop) -> PytestRun:
    """Les mêmes tests, sans serveur puis avec."""
    return workshop.pytest(env={**PERSONAL, **request.getfixturevalue(request.param)})


def test_each_test_starts_afresh(run: PytestRun) -> None:
    """Seuls les trois tests qui doivent échouer échouent, quoi que fassent les autres, et l'environnement."""
    assert (1, RED) == (run.code, set(run.verdicts())), run.output


@pytest.mark.parametrize(
    ("test", "name"), [("test_run_left_open", "forgotten"), ("test_run_left_open_in_a_thread", "threaded")]
)
def test_run_left_open_is_refused(run: PytestRun, test: str, name: str) -> None:
    """Un run laissé ouvert se dit, par son nom, dans le test qui l'a ouvert."""
    assert f"run resté ouvert (RUNNING) : « {name} »" in run.verdicts()[test]


def test_error_of_the_test_comes_first(run: PytestRun) -> None:
    """Un test rouge pour une autre raison la dit."""
    assert "attendu : la raison" in run.verdicts()["test_own_error_comes_first"]


def test_nothing_is_written_beside_the_katas(run: PytestRun, workshop: Workshop) -> None:
    """Ni `mlruns`, ni `mlflow.db` dans le dossier courant."""
    assert run.output
    assert [] == [
        path.name for path in workshop.root.iterdir() if path.name.startswith("mlruns") or path.suffix == ".db"
    ]


def test_interface_is_told_if_there_is_one(run: PytestRun, request: pytest.FixtureRequest) -> None:
    """L'adresse des runs s'affiche quand un serveur les montre."""
    has_interface = request.node.callspec.params["run"] == "server"

    assert has_interface == ("et dans MLflow : http://127.0.0.1:" in run.output), run.output


def test_former_experiments_are_deleted(server: Mapping[str, str], workshop: Workshop) -> None:
    """Sur un serveur, il ne reste à voir que l'expérience du dernier lancement de ces tests."""
    for _ in range(2):
        workshop.pytest("-k", "test_run_is_read_back", env=server)

    url = f"http://127.0.0.1:{server['ATELIER_MLFLOW_PORT']}/api/2.0/mlflow/experiments/search"
    names = [found["name"] for found in fetch_json(url, timeout=10, body={"max_results": 100})["experiments"]]
    ours = [name for name in names if name.startswith("01_tracked tests") and not name.endswith("elsewhere")]
    assert 1 == len(ours), names


@pytest.mark.skipif(sys.platform == "win32", reason="des signaux d'Unix")
def test_server_lost_during_a_test_is_an_outage(server: Mapping[str, str], tmp_path: Path) -> None:
    """Serveur MLflow tué au milieu d'un test : une panne, dans ce test et les suivants, jamais la faute du kata."""
    workshop = Workshop(tmp_path)
    workshop.write_kata("02_lost", "mlflow_lost", test=LOSS_TESTS, code=CODE + LOSS)

    run = workshop.pytest(env={**server, "LOST": str(Path(server["ATELIER_HOME"], "mlflow"))})

    verdicts = run.verdicts()
    assert (1, {"test_during", "test_after"}) == (run.code, set(verdicts)), run.output
    assert all(verdict.strip().startswith("environnement en panne") for verdict in verdicts.values())
    assert "panne   : le serveur MLflow ne répond plus" in verdicts["test_during"]


def _atelier(environment: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "atelier", *arguments]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True)
