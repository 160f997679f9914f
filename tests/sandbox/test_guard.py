"""Le garde rend la main quoi que fasse le code, avec l'alarme de Linux comme avec le veilleur de Windows."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from atelier.sandbox import interruption
from atelier.sandbox.guard import Guard
from atelier.sandbox.mistakes import Interruption, StudentMistake
from tests.helpers import toy as kata
from tests.helpers.toy import Toy, toy

__all__ = ["toy"]
# Un thread que l'on interrompt le dit sur sa sortie d'erreur, et pytest avec lui.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
SECONDS = 0.3
PATIENCE_SECONDS = 20


@pytest.fixture(params=["alarm", "watchdog"])
def clockwork(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Les deux façons d'interrompre ; la seconde est celle des systèmes sans SIGALRM."""
    if request.param == "watchdog":
        monkeypatch.delattr(signal, "SIGALRM")
    elif not hasattr(signal, "SIGALRM"):
        pytest.skip("pas d'alarme sur ce système")
    monkeypatch.setattr(interruption, "RING_EVERY_SECONDS", 0.1)
    return request.param


def _watch(code: str, **names: object) -> StudentMistake | None:
    """Exécute `code` comme s'il venait d'un étudiant, et rend la faute que le garde a constatée."""
    watched = Guard({"student.py"}.__contains__, lambda mistake: None, SECONDS)
    try:
        with watched.no_exit(), watched.watching():
            exec(compile(code, "student.py", "exec"), {"__name__": "student", **names})
    except StudentMistake as mistake:
        return mistake
    return None


def test_interrupted_trace_has_its_line_numbers(clockwork: str) -> None:
    """Ce qui est interrompu là où Python n'a pas de numéro de ligne en reçoit un : pytest affiche la trace."""
    code = compile("while True:\n    pass", "student.py", "exec").replace(co_linetable=b"")

    with pytest.raises(StudentMistake) as caught, Guard({}.__contains__, lambda mistake: None, SECONDS).watching():
        exec(code, {})

    entry, lines = caught.value.__cause__.__traceback__, []
    while entry:
        lines.append(entry.tb_lineno)
        entry = entry.tb_next
    assert all(isinstance(line, int) for line in lines), lines


@pytest.mark.parametrize(
    "code",
    [
        "while True:\n    pass",
        "def spin():\n    return spin\nwhile spin():\n    pass",
        "while True:\n    try:\n        1 / 0\n    except Exception:\n        pass",
    ],
)
def test_endless_code_is_interrupted(clockwork: str, code: str) -> None:
    """Une boucle sans fin s'arrête après le délai, et la faute dit où elle tournait."""
    mistake = _watch(code)

    assert mistake is not None
    assert ("student.py", f"pas de réponse après {SECONDS} s : une boucle sans fin ?") == (mistake.path, mistake.got)


def test_endless_wait_is_no_loop(clockwork: str) -> None:
    """Un code qui attend est interrompu de même, sans que l'on parle de boucle."""
    mistake = _watch("import time\n\nwhile True: time.sleep(0.05)")

    assert (mistake.line, mistake.got) == (3, f"pas de réponse après {SECONDS} s")


def test_one_test_may_last_longer(clockwork: str) -> None:
    """Un test qui attend un worker a son propre délai ; le suivant retrouve celui de tous."""
    watched = Guard({"student.py"}.__contains__, lambda mistake: None, SECONDS)
    spin = compile(
        f"import time\nend = time.monotonic() + {3 * SECONDS}\nwhile time.monotonic() < end: pass", "student.py", "exec"
    )

    with watched.watching(PATIENCE_SECONDS):
        exec(spin, {})
    with pytest.raises(StudentMistake, match=f"pas de réponse après {SECONDS} s"), watched.watching():
        exec(spin, {})


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="sans alarme, seul faulthandler y met fin")
@pytest.mark.parametrize(
    "code",
    ["re.match('(a+)+b', 'a' * 60)", "threading.Event().wait()", "threading.Lock().acquire() and time.sleep(60)"],
)
def test_alarm_interrupts_calls_into_c(code: str) -> None:
    """L'alarme interrompt aussi une attente ou une expression régulière qui explose, à sa ligne."""
    mistake = _watch(f"import re, threading, time\n\n{code}")

    assert mistake is not None
    assert ("student.py", 3) == (mistake.path, mistake.line)


def test_endless_thread_is_interrupted(clockwork: str) -> None:
    """La boucle d'un thread que le code attend s'arrête aussi, et c'est sa ligne que l'on montre."""
    code = "import threading\ndef spin():\n    while True: pass\nthread = threading.Thread(target=spin)\n"
    mistake = _watch(f"{code}thread.start()\nthread.join()")

    assert (mistake and mistake.path) == "student.py"
    assert not [thread for thread in threading.enumerate() if "spin" in thread.name and thread.is_alive()]


def test_code_in_time_is_left_alone(clockwork: str) -> None:
    """Un code qui finit à temps n'est pas interrompu, ni plus tard celui du test."""
    assert _watch("sum(range(1000))") is None
    deadline = time.monotonic() + 2 * SECONDS
    while time.monotonic() < deadline:
        pass


def test_package_is_loaded_to_its_end(clockwork: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un import qui dure n'est pas interrompu : le paquet resterait à moitié chargé. Le code qui suit l'est."""
    monkeypatch.setattr(interruption, "INSTALLED", (str(tmp_path),))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_package.py").write_text(f"import time\ntime.sleep({3 * SECONDS})\nREADY = True\n")

    mistake = _watch("import slow_package\nwhile True: pass")

    assert (sys.modules.pop("slow_package").READY, mistake.line) == (True, 2)


def test_endless_module_beside_the_file_is_interrupted(
    clockwork: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Un module que l'étudiant a écrit lui-même est son code."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "helper.py").write_text("while True:\n    pass\n")

    assert _watch("import helper").line == 1


def test_nested_watch_keeps_the_outer_deadline(clockwork: str) -> None:
    """Recharger le module pendant un test ne désarme pas le délai de ce test."""
    outer = Guard({"student.py"}.__contains__, lambda mistake: None, SECONDS)

    with pytest.raises(StudentMistake, match="pas de réponse"), outer.watching():
        _spin_after_a_nested_watch(outer)


def _spin_after_a_nested_watch(watched: Guard) -> None:
    with watched.watching():
        pass
    exec(compile("while True:\n    pass", "student.py", "exec"), {})


def test_interruption_passes_through_except_exception() -> None:
    """L'exception qui interrompt n'est pas une `Exception` : un `except Exception` ne l'avale pas."""
    assert not issubclass(Interruption, Exception)


def test_alarm_is_given_back() -> None:
    """L'alarme et le Ctrl-C de pytest sont rendus à qui les avait."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, getattr(signal, "SIGALRM", signal.SIGINT))]
    _watch("pass")

    assert before == [signal.getsignal(number) for number in (signal.SIGINT, getattr(signal, "SIGALRM", signal.SIGINT))]


@pytest.mark.parametrize("name", ["_exit", "abort"])
def test_exit_is_refused_to_student_code_only(name: str) -> None:
    """`os._exit` reste permis à ceux qui en vivent : multiprocessing, le second processus."""
    called: list[object] = []
    watched = Guard({"student.py"}.__contains__, lambda mistake: None, SECONDS)
    original = getattr(os, name)
    setattr(os, name, lambda *arguments: called.append(arguments))
    try:
        with watched.no_exit():
            getattr(os, name)(3)
    finally:
        setattr(os, name, original)
    mistake = _watch(f"import os\nos.{name}()")

    assert [(3,)] == called
    assert (2, True) == (mistake and mistake.line, "qui tue Python" in (mistake.got if mistake else ""))


def test_finished_thread_is_not_blamed() -> None:
    """Un thread qui finit seul peu après le test n'est pas une faute."""
    assert _watch("import threading, time\nthreading.Thread(target=time.sleep, args=(0.1,)).start()") is None


def test_leftover_of_a_test_is_not_blamed_on_the_next(clockwork: str) -> None:
    """Un thread que rien n'arrête est reproché une fois, au test qui l'a lancé."""
    over = threading.Event()
    first = _watch("import threading\nthreading.Thread(target=over.wait).start()", over=over)
    second = _watch("pass")
    third = _watch("while True:\n    pass")
    over.set()

    assert ("tourne encore" in (first.got if first else ""), 2) == (True, first and first.line)
    assert second is None
    assert "boucle sans fin" in (third.got if third else "")


@dataclass(frozen=True)
class Ending:
    """La fin d'un pytest que l'on a lancé avec des réglages impossibles autrement."""

    code: int
    output: str


@pytest.fixture
def launch(toy: Toy) -> Callable[..., Ending]:
    """Joue le premier test du kata de poche, après quelques lignes qui changent le harnais."""

    def launch(code: str, before: str, *options: str) -> Ending:
        toy.write(code)
        arguments = ["-p", "no:cacheprovider", "-k", "test_one", *options]
        run = subprocess.run(
            [sys.executable, "-c", f"import sys, pytest\n{before}\nsys.exit(pytest.main({arguments}))"],
            cwd=toy.root,
            env={**os.environ, "ATELIER_WARM": "0", "COLUMNS": "120"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Ending(run.returncode, run.stdout)

    return launch


SWALLOWING = """\
import threading


def one():
    while True:
        try:
            threading.Event().wait(0.05)
        except:
            pass
"""


@pytest.mark.parametrize("alarm", ["", "import signal; del signal.SIGALRM"], ids=["alarm", "watchdog"])
def test_code_that_swallows_interruptions_ends_the_session(launch: Callable[..., Ending], alarm: str) -> None:
    """Le seul code que l'on n'arrête pas finit avec pytest : un verdict court, sa ligne, le code 1."""
    fast = "from atelier.sandbox import interruption; interruption.RING_EVERY_SECONDS = 0.1"
    ending = launch(SWALLOWING, f"{alarm}\n{fast}", "-o", "kata_deadline=0.5")

    verdict = ending.output.partition("à corriger")[2]
    assert (1, True) == (ending.code, "avale aussi les interruptions" in verdict), ending.output
    assert "plain_toy.py:" in verdict
    assert len(verdict.strip().splitlines()) < 12


@pytest.mark.parametrize(
    "body", ["while True: pass", "import threading\n    threading.Event().wait(0.2)\n    while True: pass"]
)
def test_watchdog_gives_the_same_verdict(launch: Callable[..., Ending], body: str) -> None:
    """Sans alarme, une boucle en Python donne le même verdict, et la session continue."""
    ending = launch(f"def one():\n    {body}\n", "import signal; del signal.SIGALRM", "-o", "kata_deadline=0.5")

    assert (1, True) == (ending.code, "pas de réponse après 0.5 s : une boucle sans fin ?" in ending.output)
    assert "1 failed" in ending.output


def test_computation_that_never_yields_ends_the_session(launch: Callable[..., Ending]) -> None:
    """Un calcul en C qui garde Python pour lui finit quand même par le code 1, et dit où il est."""
    code = "import itertools\n\n\ndef one():\n    return sum(itertools.repeat(0))\n"
    ending = launch(code, "", "-o", "kata_deadline=0.5", "-o", "faulthandler_timeout=2")

    assert (1, True) == (ending.code, f'{Path("plain_toy.py")}", line 5 in one' in ending.output), ending.output


def test_no_test_of_the_toy_needs_more(toy: Toy) -> None:
    """Le délai par défaut est celui de `pyproject.toml` et du plugin : quinze secondes."""
    toy.tests.write_text(
        "def test_it(kata, pytestconfig):\n    assert float(pytestconfig.getini('kata_deadline')) == 15\n",
        encoding="utf-8",
    )
    toy.write(kata.DONE)

    assert 0 == toy.pytest().code
