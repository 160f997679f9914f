"""Les quatre vrais services sans Docker, lancés une fois par `make up` : ils servent, ils réparent, ils s'arrêtent."""

import faulthandler
import http.client
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from atelier.machine import processes
from tests.helpers.katas import ROOT, free_port, pytest_katas

# Une demi-minute sur une machine au repos ; bien plus quand d'autres tests tournent à côté.
pytestmark = pytest.mark.timeout(400)
NAMES = ("mlflow", "prefect", "worker", "dagster")
STOP_SECONDS = 15
ASSETS = """\
import dagster as dg


@dg.asset
def answer() -> int:
    return 42


defs = dg.Definitions(assets=[answer])
"""
FLOW = """\
import mlflow
from prefect import flow, task


@task
def double(x):
    return 2 * x


@flow
def train(x: int):
    with mlflow.start_run(run_name="embedded"):
        mlflow.log_metric("answer", double(x))
        mlflow.log_text("quarante-deux", "answer.txt")
"""
DEPLOY = """\
import sys

from prefect import flow
from prefect.deployments import run_deployment

source = flow.from_source(source=sys.argv[1], entrypoint="training.py:train")
source.deploy(name="embedded", work_pool_name="default-pool", print_next_steps=False)
run = run_deployment("train/embedded", parameters={"x": 21}, timeout=120, poll_interval=0.5)
print("STATE", run.state.type.value, run.state.message)
"""


@dataclass(frozen=True)
class Stack:
    """L'atelier lancé : son environnement, ses adresses, ce que `make up` a affiché."""

    environment: dict[str, str]
    assets: Path
    ports: dict[str, int]
    shown: str

    def atelier(self, *arguments: str) -> str:
        """Joue `python -m atelier …`, qui doit réussir."""
        return _run(["-m", "atelier", *arguments], self.environment)

    def heads(self) -> dict[str, psutil.Process | None]:
        """Le processus principal de chaque service."""
        return {name: family.head for name, family in _families(self.environment).items()}

    def get(self, name: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Une requête à un service : le code, et le JSON s'il y en a."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=30)
        content = None if body is None else json.dumps(body)
        connection.request("POST" if content else "GET", path, content, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, json.loads(text) if "json" in response.headers.get("Content-Type", "") else text


def _run(arguments: list[str], environment: dict[str, str]) -> str:
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )

    assert finished.returncode == 0, finished.stdout
    return finished.stdout


def _families(environment: dict[str, str]) -> dict[str, processes.Family]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_HOME", environment["ATELIER_HOME"])
        return processes.families(NAMES)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("embedded")
    assets = folder / "dagster_assets.py"
    assets.write_text(ASSETS, encoding="utf-8")
    ports = {name: free_port() for name in ("mlflow", "prefect", "dagster")}
    environment = {f"ATELIER_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    environment |= {"ATELIER_HOME": str(folder / "state"), "ATELIER_DAGSTER_FILE": str(assets), "ATELIER_WARM": "0"}
    environment |= dict.fromkeys(("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "ATELIER_SIDECARS", "CODESPACE_NAME"), "")
    faulthandler.cancel_dump_traceback_later()  # armé pour deux minutes : trop peu si la machine est chargée
    shown = _run(["-m", "atelier", "up"], environment)
    yield Stack(environment, assets, ports, shown)
    started = time.monotonic()
    _run(["-m", "atelier", "down"], environment)

    assert time.monotonic() - started < STOP_SECONDS
    assert [] == [process for family in _families(environment).values() for process in family.members]


def test_addresses_are_shown(stack: Stack) -> None:
    """`make up` donne les trois adresses, et le premier pas."""
    addresses = [f"http://127.0.0.1:{port}" for port in stack.ports.values()]

    assert [] == [address for address in addresses if address not in stack.shown]
    assert (4, True) == (stack.shown.count("prêt en"), "pytest katas/00_tasks_flows" in stack.shown), stack.shown


@pytest.mark.parametrize(("name", "word"), [("mlflow", b"MLflow"), ("prefect", b"Prefect"), ("dagster", b"Dagster")])
def test_each_interface_serves_its_page(stack: Stack, name: str, word: bytes) -> None:
    """La page d'accueil de chaque interface est là."""
    request = urllib.request.Request(f"http://127.0.0.1:{stack.ports[name]}/", headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=30) as response:
        assert (200, True) == (response.status, word in response.read())


def test_second_up_is_quick_and_changes_nothing(stack: Stack) -> None:
    """Tout tourne : `make up` le dit, sans rien relancer."""
    before = stack.heads()
    shown = stack.atelier("up")

    assert (before, 4) == (stack.heads(), shown.count("en marche")), shown


def test_katas_use_this_server(stack: Stack) -> None:
    """`pytest katas/…` met ses runs là où l'étudiant les voit, et ne lance aucun autre serveur."""
    run = pytest_katas("katas/00_tasks_flows", "--solutions", "-o", "kata_deadline=60", env=stack.environment)
    _, count = stack.get("prefect", "/api/flow_runs/count", body={})

    assert (0, True) == (run.code, count > 0), run.output
    assert not Path(stack.environment["ATELIER_HOME"], "prefect-server.json").exists()


def test_worker_runs_a_deployment_that_reaches_mlflow(stack: Stack, tmp_path: Path) -> None:
    """Un déploiement s'exécute dans le worker, et laisse un run et un artefact dans MLflow."""
    (tmp_path / "training.py").write_text(FLOW, encoding="utf-8")
    (tmp_path / "deploy.py").write_text(DEPLOY, encoding="utf-8")
    client = {"PREFECT_API_URL": f"http://127.0.0.1:{stack.ports['prefect']}/api", "PREFECT_HOME": str(tmp_path)}
    output = _run([str(tmp_path / "deploy.py"), str(tmp_path)], {**stack.environment, **client})
    assert "STATE COMPLETED" in output, output

    _, found = stack.get("mlflow", "/api/2.0/mlflow/runs/search", body={"experiment_ids": ["0"]})
    run = found["runs"][0]
    _, artifacts = stack.get("mlflow", f"/api/2.0/mlflow/artifacts/list?run_id={run['info']['run_id']}")
    assert (42, ["answer.txt"]) == (run["data"]["metrics"][0]["value"], [file["path"] for file in artifacts["files"]])


def test_broken_asset_file_leaves_dagster_up(stack: Stack) -> None:
    """Un fichier d'étudiant cassé se voit dans `status`, l'interface sert ; réparé et rechargé, tout revient."""
    reload = {"query": 'mutation { reloadRepositoryLocation(repositoryLocationName: "katas") { __typename } }'}
    stack.assets.write_text("import nowhere\n", encoding="utf-8")
    stack.get("dagster", "/graphql", body=reload)
    broken = stack.atelier("status")
    stack.assets.write_text(ASSETS, encoding="utf-8")
    stack.get("dagster", "/graphql", body=reload)

    assert "(le fichier du kata 08 ne se charge pas encore : " in broken
    assert "No module named 'nowhere'" in broken
    assert "ne se charge pas" not in stack.atelier("status")


def test_killed_server_comes_back_with_its_data(stack: Stack) -> None:
    """MLflow tué net : `make up` relance lui seul, et rien de ce qui était noté n'est perdu."""
    _, created = stack.get("mlflow", "/api/2.0/mlflow/experiments/create", body={"name": f"kept-{time.time()}"})
    before = stack.heads()
    assert before["mlflow"]
    before["mlflow"].kill()
    before["mlflow"].wait()
    stack.atelier("up")
    after = stack.heads()

    assert {"mlflow"} == {name for name in NAMES if before[name] != after[name]}
    code, _ = stack.get("mlflow", f"/api/2.0/mlflow/experiments/get?experiment_id={created['experiment_id']}")
    assert 200 == code


@pytest.mark.parametrize(
    "header", [{"Host": "evil.example"}, {"Host": "10.evil.example"}, {"Origin": "http://evil.example"}]
)
def test_foreign_pages_are_refused(stack: Stack, header: dict[str, str]) -> None:
    """Une page web d'ailleurs n'écrit pas dans MLflow, ni par son nom, ni par son origine."""
    code, _ = stack.get("mlflow", "/api/2.0/mlflow/experiments/create", body={"name": "evil"}, **header)

    assert 403 == code


def test_nothing_listens_beyond_this_machine(stack: Stack) -> None:
    """Aucun processus de l'atelier n'écoute ailleurs que sur la boucle locale."""
    members = [process for family in _families(stack.environment).values() for process in family.members]
    sockets = [socket for process in members for socket in process.net_connections("inet")]
    listening = {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}

    assert {"127.0.0.1"} == listening


def test_no_secret_of_the_user_reaches_a_service(stack: Stack) -> None:
    """Les services n'héritent ni du profil, ni du compte de l'utilisateur."""
    head = stack.heads()["worker"]
    assert head
    environment = head.environ()

    assert environment["PREFECT_HOME"].startswith(stack.environment["ATELIER_HOME"])
    assert (True, "") == (environment["DO_NOT_TRACK"] == "true", environment["PREFECT_API_KEY"])
