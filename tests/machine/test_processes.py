"""Des processus détachés : lancés, reconnus, arrêtés avec leurs enfants ; ceux des autres restent en paix."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from atelier.machine import processes
from tests.helpers.katas import wait_until

NAME = "thing"
SLEEP = "import time; time.sleep(60)"
PARENT = f"""\
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
print(child.pid, flush=True)
time.sleep(60)
"""
# Sans fin : il ne s'arrête que si on l'y force.
DEAF = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('prêt', flush=True)\n"
    "while True: time.sleep(60)"
)
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="des signaux d'Unix")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path / "state"))
    yield tmp_path
    processes.stop([NAME, "other"], seconds=0)


@pytest.fixture
def start(home: Path) -> Callable[..., psutil.Process]:
    """Lance ce code sous ce nom."""

    def run(code: str, name: str = NAME, fingerprint: str = "a") -> psutil.Process:
        return processes.start(name, ["-c", code], os.environ, home, fingerprint)

    return run


def _read(name: str = NAME) -> str:
    """Ce que le processus a écrit, dès qu'il a écrit."""
    wait_until(lambda: processes.log_file(name).stat().st_size > 0)
    return processes.log_file(name).read_text(encoding="utf-8")


def _is_gone(process: psutil.Process) -> bool:
    return not processes.is_alive(process)


def test_process_is_found_by_its_name(start: Callable[..., psutil.Process]) -> None:
    """Il se retrouve sans fichier : sa marque est dans sa ligne de commande."""
    process, other = start(SLEEP), start(SLEEP, "other")
    found = processes.families([NAME, "other", "absent"])

    assert (process, other, None) == (found[NAME].head, found["other"].head, found["absent"].head)
    assert (process, None) == (processes.known(NAME, process.pid), processes.known("other", process.pid))


def test_state_folder_is_part_of_the_name(
    start: Callable[..., psutil.Process], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """Deux ateliers sur une machine : chacun les siens."""
    process = start(SLEEP)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("ATELIER_HOME", str(home / "elsewhere"))

        assert (False, None) == (processes.stop([NAME]), processes.families([NAME])[NAME].head)
    assert processes.is_alive(process)


def test_innocent_process_is_left_alone(home: Path) -> None:
    """Un programme qui cite notre marque, ou travaille dans notre dossier, n'est pas à nous."""
    arguments = [sys.executable, "-c", SLEEP, *["x"] * 6, f"{processes.OPTION}={processes.mark(NAME)}"]
    environment = {**os.environ, processes.VARIABLE: f"{processes.mark(NAME)}-2"}
    with subprocess.Popen(arguments, cwd=home, env=environment) as innocent:
        stopped = processes.stop([NAME])

        assert (False, None) == (stopped, innocent.poll())
        innocent.kill()


def test_settings_it_was_started_with_are_known(start: Callable[..., psutil.Process]) -> None:
    """On voit qu'un processus date d'avant un changement de réglages."""
    process = start(SLEEP, fingerprint="before")

    assert (True, False) == tuple(processes.has_fingerprint(process, value) for value in ("before", "after"))


def test_stop_takes_the_children_too(start: Callable[..., psutil.Process]) -> None:
    """Aucun descendant ne reste."""
    process = start(PARENT)
    child = psutil.Process(int(_read()))

    assert (True, False) == (processes.stop([NAME]), processes.stop([NAME]))
    assert (True, True) == (_is_gone(process), _is_gone(child))


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS cache l'environnement des processus")
def test_orphans_are_found_and_stopped(start: Callable[..., psutil.Process]) -> None:
    """Le parent tué net, ses enfants se reconnaissent encore."""
    process = start(PARENT)
    child = psutil.Process(int(_read()))
    process.kill()
    process.wait()
    family = processes.families([NAME])[NAME]

    assert (None, [child]) == (family.head, family.members)
    assert (True, True) == (processes.stop([NAME]), _is_gone(child))


@posix_only
def test_deaf_process_is_killed(start: Callable[..., psutil.Process]) -> None:
    """Celui qui n'écoute pas SIGTERM n'est attendu que le temps dit, puis s'arrête quand même."""
    process = start(DEAF)
    _read()
    processes.stop([NAME], seconds=0.3)

    assert _is_gone(process)


@posix_only
def test_suspended_process_is_stopped_gently(start: Callable[..., psutil.Process]) -> None:
    """Suspendu, il est réveillé pour entendre SIGTERM, et finit lui-même."""
    process = start(
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(print('fini')))\n"
        "print('prêt', flush=True)\ntime.sleep(60)"
    )
    _read()
    process.suspend()
    wait_until(lambda: processes.is_suspended(process))
    processes.stop([NAME])

    assert "prêt\nfini\n" == _read()


@posix_only
def test_process_survives_the_terminal(start: Callable[..., psutil.Process]) -> None:
    """Il a sa session : ni Ctrl-C, ni la fermeture du terminal ne l'atteignent."""
    process = start(SLEEP)

    assert process.pid == os.getsid(process.pid)


def test_dead_process_is_not_alive(start: Callable[..., psutil.Process]) -> None:
    """Un mort que personne n'a réclamé ne compte pas comme vivant."""
    process = start("pass")
    wait_until(lambda: not processes.is_alive(process))

    assert (None, None) == (processes.known(NAME, process.pid), processes.families([NAME])[NAME].head)


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", "journal vide"),
        ("un\ndeux\n\n", "deux"),
        ("Traceback\n  File\nValueError: non\nINFO:     arrêt\n", "ValueError: non"),
        ("\x1b[31mERROR\x1b[0m: port pris\n", "ERROR: port pris"),
    ],
)
def test_last_useful_line(log: str, line: str) -> None:
    """La dernière erreur, sinon la dernière ligne ; sans couleurs."""
    processes.log_file(NAME).write_text(log, encoding="utf-8")

    assert line == processes.last_log_line(NAME)


def test_previous_log_is_kept(start: Callable[..., psutil.Process]) -> None:
    """Relancer n'efface pas la raison de la mort d'avant."""
    start("print('premier')").wait()
    start("print('second')").wait()

    logs = {path.name: path.read_text(encoding="utf-8").strip() for path in processes.log_file(NAME).parent.iterdir()}
    assert {"thing.log": "second", "thing.previous.log": "premier"} == logs


def test_missing_python_is_an_error(monkeypatch: pytest.MonkeyPatch, start: Callable[..., psutil.Process]) -> None:
    """Un exécutable absent se dit tout de suite."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(OSError, match="nowhere"):
        start(SLEEP)
