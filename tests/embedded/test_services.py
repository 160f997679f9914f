"""Les quatre vrais services sans Docker, lancés une fois par `make up` : ils servent, ils réparent, ils s'arrêtent."""

import urllib.request
import uuid
from pathlib import Path

import psutil
import pytest

from tests.helpers.katas import PATIENT, pytest_katas
from tests.helpers.stack import ASSETS, NAMES, Stack

# Une demi-minute sur une machine au repos ; bien plus quand d'autres tests tournent à côté.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
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
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment

source = flow.from_source(source=sys.argv[1], entrypoint="training.py:train")
source.deploy(name="embedded", work_pool_name="default-pool", print_next_steps=False)
run = run_deployment("train/embedded", parameters={"x": 21}, timeout=120, poll_interval=0.5)
print("STATE", run.state.type.value, run.state.message)
with get_client(sync_client=True) as client:
    client.delete_deployment(run.deployment_id)
"""


def test_addresses_are_shown(embedded: Stack) -> None:
    """`make up` donne les trois adresses, et le premier pas."""
    addresses = [f"http://127.0.0.1:{port}" for port in embedded.ports.values()]

    assert [] == [address for address in addresses if address not in embedded.shown]
    assert (4, True) == (embedded.shown.count("prêt en"), "pytest katas/00_tasks_flows" in embedded.shown), (
        embedded.shown
    )


@pytest.mark.parametrize(("name", "word"), [("mlflow", b"MLflow"), ("prefect", b"Prefect"), ("dagster", b"Dagster")])
def test_each_interface_serves_its_page(embedded: Stack, name: str, word: bytes) -> None:
    """La page d'accueil de chaque interface est là."""
    request = urllib.request.Request(f"http://127.0.0.1:{embedded.ports[name]}/", headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=30) as response:
        assert (200, True) == (response.status, word in response.read())


def test_second_up_is_quick_and_changes_nothing(embedded: Stack) -> None:
    """Tout tourne : `make up` le dit, sans rien relancer."""
    before = embedded.heads()
    shown = embedded.atelier("up")

    assert (before, 4) == (embedded.heads(), shown.count("en marche")), shown


def test_katas_use_this_server(embedded: Stack) -> None:
    """`pytest katas/…` met ses runs là où l'étudiant les voit, et ne lance aucun autre serveur."""
    run = pytest_katas("katas/00_tasks_flows", "--solutions", *PATIENT, env=embedded.environment)
    _, count = embedded.get("prefect", "/api/flow_runs/count", body={})

    assert (0, True) == (run.code, count > 0), run.output
    assert not Path(embedded.environment["ATELIER_HOME"], "prefect-server.json").exists()


def test_worker_runs_a_deployment_that_reaches_mlflow(embedded: Stack, tmp_path: Path) -> None:
    """Un déploiement s'exécute dans le worker, et laisse un run et un artefact dans MLflow."""
    (tmp_path / "training.py").write_text(FLOW, encoding="utf-8")
    (tmp_path / "deploy.py").write_text(DEPLOY, encoding="utf-8")
    client = {"PREFECT_API_URL": f"http://127.0.0.1:{embedded.ports['prefect']}/api", "PREFECT_HOME": str(tmp_path)}
    output = embedded.run(str(tmp_path / "deploy.py"), str(tmp_path), **client)
    assert "STATE COMPLETED" in output, output

    _, found = embedded.get("mlflow", "/api/2.0/mlflow/runs/search", body={"experiment_ids": ["0"]})
    run = found["runs"][0]
    _, artifacts = embedded.get("mlflow", f"/api/2.0/mlflow/artifacts/list?run_id={run['info']['run_id']}")
    assert (42, ["answer.txt"]) == (run["data"]["metrics"][0]["value"], [file["path"] for file in artifacts["files"]])


def test_broken_asset_file_leaves_dagster_up(embedded: Stack) -> None:
    """Un fichier d'étudiant cassé se voit dans `status`, l'interface sert ; réparé et rechargé, tout revient."""
    reload = {"query": 'mutation { reloadRepositoryLocation(repositoryLocationName: "katas") { __typename } }'}
    embedded.assets.write_text("import nowhere\n", encoding="utf-8")
    embedded.get("dagster", "/graphql", body=reload)
    broken = embedded.atelier("status")
    embedded.assets.write_text(ASSETS, encoding="utf-8")
    embedded.get("dagster", "/graphql", body=reload)

    assert "(le fichier du kata 08 ne se charge pas encore : " in broken
    assert "No module named 'nowhere'" in broken
    assert "ne se charge pas" not in embedded.atelier("status")


def test_killed_server_comes_back_with_its_data(embedded: Stack) -> None:
    """MLflow tué net : `make up` relance lui seul, et rien de ce qui était noté n'est perdu."""
    _, created = embedded.get("mlflow", "/api/2.0/mlflow/experiments/create", body={"name": f"kept-{uuid.uuid4()}"})
    before = embedded.heads()
    assert before["mlflow"]
    before["mlflow"].kill()
    before["mlflow"].wait()
    embedded.atelier("up")
    after = embedded.heads()

    assert {"mlflow"} == {name for name in NAMES if before[name] != after[name]}
    code, _ = embedded.get("mlflow", f"/api/2.0/mlflow/experiments/get?experiment_id={created['experiment_id']}")
    assert 200 == code


@pytest.mark.parametrize(
    "header", [{"Host": "evil.example"}, {"Host": "10.evil.example"}, {"Origin": "http://evil.example"}]
)
def test_foreign_pages_are_refused(embedded: Stack, header: dict[str, str]) -> None:
    """Une page web d'ailleurs n'écrit pas dans MLflow, ni par son nom, ni par son origine."""
    code, _ = embedded.get("mlflow", "/api/2.0/mlflow/experiments/create", body={"name": "evil"}, **header)

    assert 403 == code


def test_nothing_listens_beyond_this_machine(embedded: Stack) -> None:
    """Aucun processus de l'atelier n'écoute ailleurs que sur la boucle locale."""
    sockets = [socket for process in embedded.members() for socket in process.net_connections("inet")]
    listening = {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}

    assert {"127.0.0.1"} == listening


def test_no_secret_of_the_user_reaches_a_service(embedded: Stack) -> None:
    """Les services n'héritent ni du profil, ni du compte de l'utilisateur."""
    head = embedded.heads()["worker"]
    assert head
    environment = head.environ()

    assert environment["PREFECT_HOME"].startswith(embedded.environment["ATELIER_HOME"])
    assert (True, "") == (environment["DO_NOT_TRACK"] == "true", environment["PREFECT_API_KEY"])
