"""Les tests marqués `stack` des katas : sur l'atelier entier, lancé par `make up`, et sans lui."""

import faulthandler
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers import katas
from tests.helpers.homes import new_home
from tests.helpers.stack import Stack
from tests.katas.test_katas import TESTS, WITHOUT_STACK

WITH_STACK = sorted(set(TESTS) - set(WITHOUT_STACK))
FOLDERS = sorted({folder for folder, _ in WITH_STACK})
SCHEDULES = "06_schedules"

# Ce qu'attend un test dont personne ne prend le run : le délai est réduit, le reste est vrai.
IDLE = """\
from prefect import flow
from prefect.client.orchestration import get_client

from atelier.machine.paths import state_dir
from atelier.sandbox.mistakes import StudentMistake
from atelier.stack import deployments
from atelier.prefect.server import Server
from atelier.prefect.session import connected


@flow
def idle():
    pass


with connected(Server({url!r}, private=False), state_dir()), get_client(sync_client=True) as client:
    deployments.RUN_SECONDS = 1.0
    try:
        with deployments.TemporaryDeployments(client).removed_afterwards() as temporary:
            temporary.wait(temporary.start(temporary.apply(idle.to_deployment(temporary.environment))))
    except StudentMistake as mistake:
        print(mistake)
"""
# Démarrer l'atelier prend une demi-minute sur une machine au repos, bien plus quand d'autres tests tournent à côté.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]


@pytest.fixture
def nowhere(tmp_path: Path) -> Mapping[str, str]:
    """L'environnement d'un atelier dont rien ne tourne, à l'écart de celui qui tourne peut-être."""
    return new_home(tmp_path) | {"ATELIER_WARM": "0"}


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
def test_solution_is_green_on_the_stack(folder: str, embedded: Stack) -> None:
    """Avec un vrai worker, la solution passe, et il n'en reste aucun deployment."""
    run = katas.pytest_katas(katas.test_file(folder), "-m", "stack", "--solutions", env=embedded.environment)

    assert 0 == run.code, run.output
    assert [] == embedded.deployments()


@pytest.mark.parametrize("folder", FOLDERS)
def test_stub_is_red_on_the_stack(folder: str, embedded: Stack) -> None:
    """Avec un vrai worker, le stub est rouge : pas encore fait."""
    run = katas.pytest_katas(katas.test_file(folder), "-m", "stack", env=embedded.environment)

    verdicts = [run.verdicts().get(test, "vert") for test in _tests_of(folder)]
    assert [] == [text for text in verdicts if not text.strip().startswith("pas encore fait · TODO")]


@pytest.mark.parametrize("mistake", ["other_name", "serve"])
def test_red_test_leaves_no_deployment(mistake: str, embedded: Stack, tmp_path: Path) -> None:
    """Un test rouge ne laisse rien non plus, même déployé sous un autre nom."""
    module = katas.module_name(SCHEDULES)
    copy = tmp_path / SCHEDULES / f"{module}.py"
    copy.parent.mkdir()
    copy.write_bytes((katas.MISCONCEPTIONS / SCHEDULES / f"{mistake}.py").read_bytes())

    run = katas.pytest_katas(
        katas.test_file(SCHEDULES), "--impl", tmp_path, "-k", "worker_gets", env=embedded.environment
    )

    assert (1, []) == (run.code, embedded.deployments()), run.output


def test_wait_ends_by_saying_where_runs_are(embedded: Stack, tmp_path: Path) -> None:
    """Un run que personne ne prend n'est pas attendu pour toujours : l'erreur dit où il en est."""
    script = tmp_path / "idle.py"
    url = f"http://127.0.0.1:{embedded.ports['prefect']}/api"
    script.write_text(IDLE.format(url=url), encoding="utf-8")
    shown = embedded.run(str(script), PYTHONPATH=str(katas.ROOT))

    assert re.search(r"^des runs « (Scheduled|Late) » ", shown, flags=re.MULTILINE), shown
    assert [] == embedded.deployments()


def test_undeploy_removes_what_a_kata_deployed(embedded: Stack) -> None:
    """`make undeploy` retire les deployments d'un kata, le dit, et n'a ensuite plus rien à faire."""
    shown = embedded.run(f"solutions/{SCHEDULES}/{katas.module_name(SCHEDULES)}.py")
    deployed = embedded.deployments()
    removals = [embedded.atelier("undeploy") for _ in range(2)]

    assert ["production", "production"] == deployed, shown
    assert ["retraining/production", "scoring/production"] == re.findall(r"(\S+) : retiré", removals[0])
    assert "Rien à retirer." == removals[1].strip()
    assert [] == embedded.deployments()


def _tests_of(folder: str) -> list[str]:
    return [test for owner, test in WITH_STACK if owner == folder]
