"""Une panne de la machine n'est jamais reprochée à l'étudiant : elle dit quoi réparer, et la suite le répète."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from atelier.prefect.server import stop_server
from tests.helpers import toy as kata
from tests.helpers.katas import PytestRun, Workshop
from tests.helpers.ports import free_port
from tests.helpers.toy import Toy, toy

__all__ = ["toy"]
TEST = '''\
def test_{name}(kata, run):
    """Le flow aboutit."""
    assert run(kata.answer).value == 42
'''
FULL_DISK = """\
from atelier.machine.errors import EnvironmentProblem

raise EnvironmentProblem("disque plein", "make up")
"""
CODE = """\
import json, os, pathlib, signal

from prefect import flow, task


@task
def double(x):
    return 2 * x


@flow
def answer():
    {accident}
    return double(21)
"""
SIGNAL = """\
record = json.loads(pathlib.Path(os.environ["ATELIER_HOME"], "prefect-server.json").read_text())
    os.kill(record["pid"], signal.{name})"""


@pytest.fixture
def accident(tmp_path: Path, own_server: Mapping[str, str]) -> Callable[[str], PytestRun]:
    """Joue un kata juste, puis un qui envoie ce signal au serveur, puis un autre kata juste."""
    workshop = Workshop(tmp_path)

    def play(signal_name: str) -> PytestRun:
        lost = SIGNAL.format(name=signal_name)
        for number, (name, line) in enumerate([("before", "pass"), ("during", lost), ("after", "pass")]):
            code = CODE.format(accident=line)
            workshop.write_kata(f"0{number}_{name}", f"prefect_{name}", test=TEST.format(name=name), code=code)
        return workshop.pytest("-o", "kata_deadline=3", env=own_server)

    return play


@pytest.mark.skipif(sys.platform == "win32", reason="des signaux d'Unix")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
def test_server_lost_during_a_test_is_an_outage(name: str, accident: Callable[[str], PytestRun]) -> None:
    """Serveur tué ou figé au milieu d'un run : une panne, dans ce test et les suivants ; il est remplacé ensuite."""
    run = accident(name)
    verdicts = run.verdicts()

    # Le premier test est vert, même après l'accident du lancement précédent : le serveur a été remplacé.
    assert (1, {"test_during", "test_after"}) == (run.code, set(verdicts)), run.output
    assert all("environnement en panne · Le flow aboutit" in verdict for verdict in verdicts.values())
    assert "panne   : le serveur Prefect ne répond plus" in "".join(verdicts.values())
    assert "réparer : make down && make up, puis relancez pytest" in "".join(verdicts.values())
    assert "TODO" not in "".join(verdicts.values())


@pytest.fixture
def without(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., PytestRun]]:
    """Joue le kata de poche, dont le test emploie `fixture`, sans ces paquets."""

    def play(*missing: str, head: str = "", fixture: str = "kata", code: str = kata.DONE) -> PytestRun:
        body = '    """La règle."""\n    assert kata.one() == 1\n'
        toy.tests.write_text(f"{head}\n\ndef test_one(kata, {fixture}):\n{body}".replace("kata, kata", "kata"))
        toy.write(code)
        return toy.pytest(env=toy.without(*missing))

    # Celui de `make up`, s'il tourne, dispenserait d'en démarrer un, donc d'avoir besoin de ces paquets.
    monkeypatch.setenv("PREFECT_API_URL", "")
    monkeypatch.setenv("ATELIER_PREFECT_PORT", str(free_port()))
    # Un serveur a pu partir avant que l'absence ne se voie.
    monkeypatch.setenv("ATELIER_HOME", str(toy.root / "state"))
    yield play
    stop_server()


@pytest.mark.parametrize("package", ["prefect", "psutil", "filelock"])
def test_package_missing_for_a_fixture_is_an_outage(package: str, without: Callable[..., PytestRun]) -> None:
    """Un paquet du harnais n'est pas installé : une panne, et la commande qui le réinstalle."""
    run = without(package, fixture="run")
    assert "test_one" in run.verdicts(), run.output
    verdict = run.verdicts()["test_one"]

    assert (1, True) == (run.code, "environnement en panne · La règle" in verdict), run.output
    assert f"panne   : le paquet « {package} » n'est pas installé\n  réparer : make -B up\n" in verdict


def test_package_missing_for_the_tests_is_an_outage(without: Callable[..., PytestRun]) -> None:
    """Un paquet que les tests du kata importent n'est pas installé : la même panne, sans trace."""
    run = without("sklearn", head="import sklearn.metrics\n")

    assert "panne   : le paquet « scikit-learn » n'est pas installé\n  réparer : make -B up\n" in run.output
    assert (2, False) == (run.code, "Traceback" in run.output)


def test_package_missing_for_the_student_is_an_outage(without: Callable[..., PytestRun]) -> None:
    """Un paquet de l'atelier que le fichier de l'étudiant importe n'est pas installé : ce n'est pas sa faute."""
    verdict = without("sklearn", code=f"import sklearn\n{kata.DONE}").verdicts()["test_one"]

    assert "panne   : le paquet « scikit-learn » n'est pas installé" in verdict


def test_hint_of_an_outage_is_to_repair(toy: Toy) -> None:
    """`--indice` ne dépense pas un indice pour une panne."""
    toy.write(FULL_DISK)
    output = toy.pytest("--indice").output

    assert "L'environnement est en panne : réparez-le d'abord" in output
    toy.write(kata.STUB)
    assert "indice 1 sur 2" in toy.pytest("--indice").output


def test_outage_leaves_the_progress_alone(toy: Toy) -> None:
    """Une panne ne retire rien à l'avancement : ce qui était vert l'est encore."""
    toy.write(kata.DONE)
    before = toy.pytest().output
    toy.write(FULL_DISK)
    after = toy.pytest().output

    assert "3/3" in before
    assert "3/3" in after


def test_next_step_of_an_outage_is_to_repair(toy: Toy) -> None:
    """Le prochain pas renvoie à la panne, pas à un TODO."""
    toy.write(FULL_DISK)

    assert "Prochain pas : voir le premier message ci-dessus" in toy.pytest().output
