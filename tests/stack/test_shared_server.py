"""Un serveur Prefect partagé : chacun n'y retire que ce qui vient de chez lui.

Deux étudiants, chacun sa copie de l'atelier et son dossier d'état, déploient sur un même vrai serveur le même `flow`
d'un fichier de même nom, parfois sous le même nom.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import requests

from atelier.machine.web import fetch_json
from tests.helpers.katas import PATIENT, PytestRun, Workshop

pytestmark = pytest.mark.slow

CODE = """\
import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import prefect
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runner import Runner

FILE = Path(__file__)


@flow
def shared():
    pass


def described(name):
    return shared.from_source(str(FILE.parent), f"{FILE.name}:shared").to_deployment(name=name, tags=["atelier"])


def apply(name):
    described(name).apply()


def apply_async(name):
    asyncio.run(described(name).aapply())


def apply_in_a_thread(name):
    thread = threading.Thread(target=apply, args=[name])
    thread.start()
    thread.join()


def deploy_flow(name):
    code = shared.from_source(str(FILE.parent), f"{FILE.name}:shared")
    code.deploy(name, work_pool_name="default-pool", print_next_steps=False)


def deploy(name):
    prefect.deploy(described(name), work_pool_name="default-pool", print_next_steps_message=False)


def serve(name):
    # Ce que fait `serve` avant d'attendre les runs, donc pour toujours.
    Runner().add_flow(shared, name=name)


def use_a_client(name):
    with get_client(sync_client=True) as client:
        client.create_deployment(client.create_flow(shared), name)


def use_a_client_async(name):
    async def creating():
        async with get_client() as client:
            await client.create_deployment(await client.create_flow(shared), name)

    asyncio.run(creating())


def apply_then_fail(name):
    apply(name)
    raise RuntimeError("trop tard")


def apply_elsewhere(name):
    subprocess.run([sys.executable, FILE, name], check=True)


if __name__ == "__main__":
    from atelier.workshop import workshop_server

    with workshop_server():
        for name in sys.argv[1:]:
            apply(name)
"""
TESTS = '''\
import os
import subprocess
import sys

import pytest
from prefect.client.orchestration import get_client
from prefect.states import Pending

WAYS = ("apply", "apply_async", "apply_in_a_thread", "deploy_flow", "deploy", "serve", "use_a_client",
        "use_a_client_async")


def read(name):
    with get_client(sync_client=True) as client:
        return client.read_deployment_by_name(f"shared/{name}")


def neighbour_deploys(name):
    folder = os.environ["NEIGHBOUR"]
    script = [sys.executable, "katas/01_shared/prefect_shared.py", name]
    subprocess.run(script, cwd=folder, env=os.environ | {"PYTHONPATH": folder}, check=True)


@pytest.mark.parametrize("way", WAYS)
def test_way(kata, deployments, way):
    """Le deployment est sur le serveur, fait de cette façon."""
    deployments.create_pool()
    getattr(kata, way)(way)
    read(way)


def test_half_way(kata, deployments):
    """Le kata échoue, mais après avoir déployé."""
    try:
        kata.apply_then_fail("half_way")
    finally:
        read("half_way")


def test_in_a_subprocess(kata, deployments):
    """Un sous-processus a déployé, sous le nom de l'environnement."""
    kata.apply_elsewhere(deployments.environment)
    read(deployments.environment)


def test_meanwhile(kata, deployments):
    """Le voisin déploie pendant ce temps ; ce qu'il a déployé est redéployé ici."""
    kata.apply("mine")
    assert deployments.propose(deployments.start(read("mine").id), Pending()) == "Pending"
    neighbour_deploys("during")
    kata.apply("during")
    kata.apply("before")
'''


class Student:
    """Une copie de l'atelier et son dossier d'état, branchés sur ce serveur."""

    def __init__(self, root: Path, server: Mapping[str, str]) -> None:
        root.mkdir()
        self.workshop = Workshop(root)
        self.script = self.workshop.write_kata("01_shared", "prefect_shared", test=TESTS, code=CODE)
        self.environment = {**server, "ATELIER_HOME": "", "PYTHONPATH": str(root)}

    def plays(self, **environment: str) -> PytestRun:
        """Joue les tests du kata."""
        return self.workshop.pytest(*PATIENT, env={**self.environment, **environment})

    def python(self, *arguments: str | Path, **environment: str) -> str:
        """Lance un programme de l'atelier, et rend ce qu'il affiche."""
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.workshop.root,
            env={**os.environ, **self.environment, **environment},
            stdout=subprocess.PIPE,
            check=True,
            encoding="utf-8",
        ).stdout


@pytest.fixture(scope="module")
def api(own_server: Mapping[str, str]) -> str:
    """L'API du serveur que tous partagent."""
    return json.loads(Path(own_server["ATELIER_HOME"], "prefect-server.json").read_text(encoding="utf-8"))["url"]


@pytest.fixture
def student(own_server: Mapping[str, str], api: str, tmp_path: Path) -> Iterator[Callable[[str], Student]]:
    """De quoi installer un étudiant de plus ; le serveur, dont d'autres tests se servent, est vide avant et après."""
    _delete_deployments(api)
    yield lambda name: Student(tmp_path / name, {**own_server, "PREFECT_API_URL": api})
    _delete_deployments(api)


def test_a_test_removes_its_deployments_alone(student: Callable[[str], Student], api: str) -> None:
    """Ce qu'un test a créé disparaît, de quelque façon qu'il l'ait fait ; ce qu'un voisin a déployé, jamais."""
    alice, bob = student("alice"), student("bob")
    bob.python(bob.script, "before")
    before = _deployments(api)

    run = alice.plays(NEIGHBOUR=str(bob.workshop.root))

    after = _deployments(api)
    assert (1, {"test_half_way"}) == (run.code, set(run.verdicts())), run.output
    assert {"before", "during"} == set(after)
    assert before["before"] == after["before"]
    assert [] == fetch_json(f"{api}/flow_runs/filter", timeout=10, body={"flows": {"name": {"any_": ["shared"]}}})


def test_undeploy_leaves_those_of_others(student: Callable[[str], Student], api: str) -> None:
    """`make undeploy` retire ce qui vient de cette copie de l'atelier, et dit combien d'autres restent."""
    alice, bob = student("alice"), student("bob")
    alice.python(alice.script, "hers")
    bob.python(bob.script, "his", "too")

    shown = alice.python("-m", "atelier", "undeploy")

    assert {"his", "too"} == set(_deployments(api))
    assert ["  shared/hers : retiré", "Laissé à d'autres, sur ce serveur : 2 deployments de l'atelier."] == [
        line for line in shown.splitlines() if ":" in line
    ]


def test_undeploy_finds_what_was_not_noted(student: Callable[[str], Student], api: str) -> None:
    """Un deployment que rien n'a noté se reconnaît à son dossier ; redéployé par un autre, il est à cet autre."""
    alice, bob = student("alice"), student("bob")
    alice.python(alice.script, "unnoted", ATELIER_HOME=str(alice.workshop.root / "other"))
    alice.python(alice.script, "taken")
    bob.python(bob.script, "taken")

    alice.python("-m", "atelier", "undeploy")
    left = set(_deployments(api))
    bob.python("-m", "atelier", "undeploy")

    assert ({"taken"}, set()) == (left, set(_deployments(api)))


@pytest.mark.skipif(sys.platform == "win32", reason="127.1 n'y est pas une adresse")
def test_same_folder_on_another_machine_is_not_ours(student: Callable[[str], Student], api: str) -> None:
    """D'un serveur qui n'est pas sur cette machine, un dossier de même chemin peut être celui d'un autre conteneur."""
    alice = student("alice")
    alice.environment["PREFECT_API_URL"] = api.replace("127.0.0.1", "127.1")
    alice.python(alice.script, "hers")
    alice.python(alice.script, "his", ATELIER_HOME=str(alice.workshop.root / "other"))

    alice.python("-m", "atelier", "undeploy")

    assert {"his"} == set(_deployments(api))


def _deployments(api: str) -> dict[str, str]:
    """Les noms et les identifiants de tous les deployments du serveur."""
    found = fetch_json(f"{api}/deployments/filter", timeout=10, body={})
    assert found is not None, "le serveur Prefect ne répond pas"
    return {deployment["name"]: deployment["id"] for deployment in found}


def _delete_deployments(api: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        for deployment in _deployments(api).values():
            session.delete(f"{api}/deployments/{deployment}")
