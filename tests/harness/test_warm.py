"""Le processus préchauffé ne change rien à ce que voit l'étudiant, sinon l'attente."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from atelier.harness import warm
from tests.helpers import katas

pytestmark = pytest.mark.skipif(not warm.is_possible(), reason="le préchauffage demande Linux, sans débogueur")

FOLDER = "00_tasks_flows"
ONE_TEST = f"{katas.test_file(FOLDER)}::test_each_step_is_a_task"
SOLUTION = katas.solution_file(FOLDER).read_text(encoding="utf-8")


@pytest.fixture(autouse=True, scope="module")
def warm_process() -> None:
    warm.start()
    katas.wait_until(warm.is_listening)


@pytest.fixture
def impl(tmp_path: Path) -> Callable[[str], Path]:
    """Écrit un module d'étudiant et rend le dossier à donner à `--impl`."""

    def write(source: str) -> Path:
        (tmp_path / FOLDER).mkdir(exist_ok=True)
        (tmp_path / FOLDER / "prefect_tasks_flows.py").write_text(source, encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.slow
def test_output_is_that_of_an_ordinary_run() -> None:
    """Préchauffé ou non : les mêmes messages, le même code."""
    warmed = katas.pytest_katas(f"katas/{FOLDER}")
    ordinary = katas.pytest_katas(f"katas/{FOLDER}", env={"ATELIER_WARM": "0"})

    assert (ordinary.code, _without_durations(ordinary.output)) == (warmed.code, _without_durations(warmed.output))


def test_file_is_read_again_every_time(impl: Callable[[str], Path]) -> None:
    """Une correction enregistrée est vue au lancement suivant, même dans la même seconde."""
    wrong = katas.pytest_katas(ONE_TEST, "--impl", impl(SOLUTION.replace("@task", "")))
    right = katas.pytest_katas(ONE_TEST, "--impl", impl(SOLUTION))

    assert (1, 0) == (wrong.code, right.code)


def test_environment_and_directory_are_those_of_the_command(impl: Callable[[str], Path]) -> None:
    """Le code de l'étudiant voit l'environnement et le dossier d'où il a été lancé."""
    source = f"{SOLUTION}\nimport os\nassert (os.environ['DEMO'], os.getcwd()) == ('oui', {str(katas.ROOT)!r})\n"

    run = katas.pytest_katas(ONE_TEST, "--impl", impl(source), env={"DEMO": "oui"})

    assert run.code == 0, run.output


def test_two_runs_at_once_do_not_mix(impl: Callable[[str], Path]) -> None:
    """Deux terminaux, deux `pytest` : chacun son résultat."""
    folder = impl(SOLUTION)

    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda options: katas.pytest_katas(ONE_TEST, *options), [(), ("--impl", folder)]))

    assert [run.code for run in runs] == [1, 0]


def test_interrupt_stops_the_run(impl: Callable[[str], Path], tmp_path: Path) -> None:
    """Ctrl-C arrête le test en cours, et pytest le dit par le code 2."""
    pytest_run, child = _start_endless_run(impl, tmp_path)

    pytest_run.send_signal(signal.SIGINT)

    assert pytest_run.wait(20) == 2
    katas.wait_until(lambda: not psutil.pid_exists(child))


def test_killed_command_takes_its_run_with_it(impl: Callable[[str], Path], tmp_path: Path) -> None:
    """Un terminal fermé ne laisse pas de test tourner tout seul."""
    pytest_run, child = _start_endless_run(impl, tmp_path)

    pytest_run.kill()
    pytest_run.wait(20)

    katas.wait_until(lambda: not psutil.pid_exists(child))


def test_killed_run_is_reported(impl: Callable[[str], Path]) -> None:
    """Un test tué par le système se dit, et n'est pas pris pour un succès."""
    source = f"{SOLUTION}\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"

    run = katas.pytest_katas(ONE_TEST, "--impl", impl(source))

    assert (128 + signal.SIGKILL, True) == (run.code, "tué par le signal 9" in run.output)


def test_two_processes_never_share_their_randomness(impl: Callable[[str], Path]) -> None:
    """Chaque lancement tire son propre hasard : sinon tous les runs porteraient le même nom."""
    source = f"{SOLUTION}\nimport random\nraise SystemError(random.random())\n"
    folder = impl(source)

    seen = {re.search(r"SystemError : (\S+)", katas.pytest_katas(ONE_TEST, "--impl", folder).output)[1] for _ in "ab"}

    assert len(seen) == 2


@pytest.mark.slow
def test_stop_ends_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`make down` arrête le processus préchauffé, et le dit.

    Après une mise à jour, c'est celui d'avant : il garderait un demi-gigaoctet une heure.
    """
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path))
    warm.start()
    katas.wait_until(warm.is_listening)
    former = warm._address()
    edited = tmp_path / "warm.py"
    edited.write_text("# un autre code", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(warm, "__file__", str(edited))
        updated = (warm.is_listening(), warm.stop(), former.exists())

    assert (False, True, False) == updated
    assert (False, False) == (warm.is_listening(), warm.stop())


def _start_endless_run(impl: Callable[[str], Path], tmp_path: Path) -> tuple[subprocess.Popen, int]:
    pid_file = tmp_path / "pid"
    source = f"{SOLUTION}\nimport os\nopen({str(pid_file)!r}, 'w').write(str(os.getpid()))\nwhile True: pass\n"
    pytest_run = subprocess.Popen(
        [sys.executable, "-m", "pytest", ONE_TEST, "--impl", impl(source)],
        cwd=katas.ROOT,
        env=os.environ | {"PYTEST_ADDOPTS": "-p no:cacheprovider"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    katas.wait_until(lambda: pid_file.exists() and pid_file.read_text(encoding="utf-8") != "")
    return pytest_run, int(pid_file.read_text(encoding="utf-8"))


def _without_durations(output: str) -> str:
    return re.sub(r"\d+\.\d+s( \(.*?\))?|=+|(?<=flow-run/)\S+", "", output)
