"""Les tests marqués `stack` des katas : sur l'atelier entier, lancé par `make up`, et sans lui."""

import faulthandler
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from atelier.machine.web import fetch_json
from tests.helpers import katas
from tests.katas.test_katas import TESTS, WITHOUT_STACK

WITH_STACK = sorted(set(TESTS) - set(WITHOUT_STACK))
FOLDERS = sorted({folder for folder, _ in WITH_STACK})
SERVICES = ("mlflow", "prefect", "worker")
PORTS = ("ATELIER_MLFLOW_PORT", "ATELIER_PREFECT_PORT", "ATELIER_DAGSTER_PORT")
SCHEDULES = "06_schedules"

# Ce qu'attend un test dont personne ne prend le run : le délai est réduit, le reste est vrai.
IDLE = """\
from prefect import flow
from prefect.client.orchestration import get_client

from atelier.stack import deployments
from atelier.machine.paths import state_dir
from atelier.prefect.server import Server
from atelier.prefect.session import connected


@flow
def idle():
    pass


with connected(Server({url!r}, private=False), state_dir()), get_client(sync_client=True) as client:
    deployments.RUN_SECONDS = 1.0
    with deployments.TemporaryDeployments(client).removed_afterwards() as temporary:
        temporary.wait(temporary.start(temporary.apply(idle.to_deployment(temporary.environment))))
"""
STACK_SECONDS = 240  # une demi-minute sur une machine au repos, bien plus quand d'autres tests tournent à côté
pytestmark = pytest.mark.timeout(2 * STACK_SECONDS)


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """L'environnement d'un atelier dont rien ne tourne encore, à l'écart de celui qui tourne peut-être."""
    elsewhere = {"PREFECT_API_URL": "", "MLFLOW_TRACKING_URI": "", "ATELIER_SIDECARS": "", "ATELIER_WARM": "0"}
    ports = {name: str(katas.free_port()) for name in PORTS}
    return {"ATELIER_HOME": str(tmp_path_factory.mktemp("atelier")), **elsewhere, **ports}


@pytest.fixture(scope="module")
def stack(nowhere: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Le même, une fois que `make up` y a tout démarré."""
    faulthandler.cancel_dump_traceback_later()  # armé pour deux minutes, avant que ce démarrage ne commence
    try:
        up = _python(nowhere, "-m", "atelier", "up", *SERVICES)
        assert 0 == up.returncode, up.stdout
        yield nowhere
    finally:
        _python(nowhere, "-m", "atelier", "down")


@pytest.fixture(autouse=True)
def patience() -> None:
    """De même, chaque test attend de vrais runs."""
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize("folder", FOLDERS)
def test_without_a_worker_the_message_says_so(folder: str, nowhere: Mapping[str, str]) -> None:
    """Sans atelier, un test `stack` n'attend pas un worker qui ne viendra pas : il dit quoi lancer."""
    run = katas.pytest_katas(katas.test_file(folder), "-m", "stack", "--solutions", env=nowhere)

    verdicts = [run.verdicts().get(test, "") for test in _tests_of(folder)]
    assert [] == [text for text in verdicts if not text.strip().startswith("environnement en panne")]
    assert "réparer : make up\n" in run.output
    assert not Path(nowhere["ATELIER_HOME"], "prefect-server.json").exists(), "un serveur privé n'y changerait rien"


@pytest.mark.parametrize("folder", FOLDERS)
def test_solution_is_green_on_the_stack(folder: str, stack: Mapping[str, str]) -> None:
    """Avec un vrai worker, la solution passe, et il n'en reste aucun deployment."""
    run = katas.pytest_katas(katas.test_file(folder), "-m", "stack", "--solutions", env=stack, seconds=STACK_SECONDS)

    assert 0 == run.code, run.output
    assert [] == _deployments(stack)


@pytest.mark.parametrize("folder", FOLDERS)
def test_stub_is_red_on_the_stack(folder: str, stack: Mapping[str, str]) -> None:
    """Avec un vrai worker, le stub est rouge : pas encore fait."""
    run = katas.pytest_katas(katas.test_file(folder), "-m", "stack", env=stack)

    verdicts = [run.verdicts().get(test, "vert") for test in _tests_of(folder)]
    assert [] == [text for text in verdicts if not text.strip().startswith("pas encore fait · TODO")]


@pytest.mark.parametrize("mistake", ["other_name", "serve"])
def test_red_test_leaves_no_deployment(mistake: str, stack: Mapping[str, str], tmp_path: Path) -> None:
    """Un test rouge ne laisse rien non plus, même déployé sous un autre nom."""
    module = katas.module_name(SCHEDULES)
    copy = tmp_path / SCHEDULES / f"{module}.py"
    copy.parent.mkdir()
    copy.write_bytes((katas.MISCONCEPTIONS / SCHEDULES / f"{mistake}.py").read_bytes())

    run = katas.pytest_katas(katas.test_file(SCHEDULES), "--impl", tmp_path, "-k", "worker_gets", env=stack)

    assert (1, []) == (run.code, _deployments(stack)), run.output


def test_wait_ends_by_saying_where_runs_are(stack: Mapping[str, str]) -> None:
    """Un run que personne ne prend n'est pas attendu pour toujours : l'erreur dit où il en est."""
    script = stack["ATELIER_HOME"] + "/idle.py"
    Path(script).write_text(IDLE.format(url=_api(stack)), encoding="utf-8")
    run = _python({**stack, "PYTHONPATH": str(katas.ROOT)}, script)

    assert re.search(r"StudentMistake: des runs « (Scheduled|Late) » ", run.stdout), run.stdout
    assert [] == _deployments(stack)


def test_undeploy_removes_what_a_kata_deployed(stack: Mapping[str, str]) -> None:
    """`make undeploy` retire les deployments d'un kata, le dit, et n'a ensuite plus rien à faire."""
    script = _python(stack, f"solutions/{SCHEDULES}/{katas.module_name(SCHEDULES)}.py")
    deployed = _deployments(stack)
    removals = [_python(stack, "-m", "atelier", "undeploy") for _ in range(2)]

    assert (0, ["production", "production"]) == (script.returncode, deployed), script.stdout
    assert [0, 0] == [removal.returncode for removal in removals]
    assert ["retraining/production", "scoring/production"] == re.findall(r"(\S+) : retiré", removals[0].stdout)
    assert "Rien à retirer." == removals[1].stdout.strip()
    assert [] == _deployments(stack)


def _tests_of(folder: str) -> list[str]:
    return [test for owner, test in WITH_STACK if owner == folder]


def _deployments(environment: Mapping[str, str]) -> list[str]:
    found = fetch_json(f"{_api(environment)}/deployments/filter", timeout=10, body={})
    assert found is not None, "le serveur Prefect ne répond pas"
    return [deployment["name"] for deployment in found]


def _api(environment: Mapping[str, str]) -> str:
    return f"http://127.0.0.1:{environment['ATELIER_PREFECT_PORT']}/api"


def _python(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=katas.ROOT,
        env={**os.environ, **environment, "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        encoding="utf-8",
    )
