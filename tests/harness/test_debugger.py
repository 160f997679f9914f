"""Un étudiant lit son code pas à pas, dans le terminal ou dans l'éditeur : rien ne le presse."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from atelier.harness import warm
from tests.helpers import katas
from tests.helpers import toy as kata
from tests.helpers.ports import free_port
from tests.helpers.toy import Toy, toy

__all__ = ["toy"]
DEADLINE_SECONDS = 2
THINKING_SECONDS = 5
OPTIONS = ["-p", "no:cacheprovider", "-o", f"kata_deadline={DEADLINE_SECONDS}"]
FOLDER = "00_tasks_flows"
ONE_TEST = f"{katas.test_file(FOLDER)}::test_each_step_is_a_task"
SOLUTION = katas.solution_file(FOLDER).read_text(encoding="utf-8")
STEP = "    return churn.load_customers(path)"
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows n'a pas de pseudo-terminal")


class Terminal:
    """Un terminal où tourne une commande : on y lit, on y tape."""

    def __init__(self, command: list[str | Path], cwd: Path, env: Mapping[str, str]) -> None:
        self._keyboard, screen = os.openpty()
        streams = {"stdin": screen, "stdout": screen, "stderr": screen}
        self._process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **env}, **streams)
        os.close(screen)
        self._seen = ""

    def read_until(self, text: str) -> None:
        """Lit ce qui s'affiche, jusqu'à `text` compris ; lève `AssertionError` si la commande finit avant."""
        while text not in self._seen:
            more = self._read()
            assert more, self._seen
            self._seen += more
        self._seen = self._seen.partition(text)[2]

    def type(self, line: str) -> None:
        """Tape une ligne."""
        os.write(self._keyboard, f"{line}\n".encode())

    def end(self) -> tuple[int, str]:
        """Attend la fin : le code de retour, et ce qui restait à lire."""
        while more := self._read():
            self._seen += more
        return self._process.wait(timeout=30), self._seen

    def close(self) -> None:
        """Tue la commande si elle tourne encore."""
        self._process.kill()
        self._process.wait()
        os.close(self._keyboard)

    def _read(self) -> str:
        try:
            return os.read(self._keyboard, 4096).decode(errors="replace")
        except OSError:  # plus personne n'a ce terminal
            return ""


@pytest.fixture
def in_kata(tmp_path: Path) -> Iterator[Terminal]:
    """Joue le kata 00 dans un terminal, avec un `breakpoint()` dans une task, par le processus préchauffé."""
    warm.start()
    katas.wait_until(warm.is_listening)
    file = tmp_path / FOLDER / "prefect_tasks_flows.py"
    file.parent.mkdir()
    file.write_text(SOLUTION.replace(STEP, f"    breakpoint()\n{STEP}"), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", ONE_TEST, "--impl", tmp_path, "-p", "no:cacheprovider", *katas.PATIENT]
    with closing(Terminal(command, katas.ROOT, {})) as terminal:
        yield terminal


@posix_only
def test_breakpoint_waits_for_the_student(toy: Toy) -> None:
    """Devant `(Pdb)`, le délai d'un kata ne court plus."""
    toy.write(kata.DONE.replace("return 1", "answer = 1\n    breakpoint()\n    return answer"))
    command = [sys.executable, "-m", "pytest", "-k", "test_one", *OPTIONS]

    with closing(Terminal(command, toy.root, {"ATELIER_WARM": "0"})) as terminal:
        terminal.read_until("(Pdb)")
        time.sleep(THINKING_SECONDS)
        terminal.type("'answer', answer + 1")
        terminal.read_until("('answer', 2)")
        terminal.type("continue")
        code, end = terminal.end()

    assert (0, True) == (code, "1 passed" in end), end


@pytest.mark.skipif(not warm.is_possible(), reason="le préchauffage demande Linux, sans débogueur")
def test_breakpoint_reads_the_keyboard_in_the_warm_process(in_kata: Terminal) -> None:
    """Le processus préchauffé a le clavier de l'étudiant, lui aussi."""
    in_kata.read_until("(Pdb)")
    in_kata.type("'path', path.name")
    in_kata.read_until("('path', 'customers.csv')")
    in_kata.type("continue")
    code, end = in_kata.end()

    assert (0, True) == (code, "1 passed" in end), end


@pytest.mark.skipif(not warm.is_possible(), reason="le préchauffage demande Linux, sans débogueur")
def test_quitting_pdb_ends_the_run(in_kata: Terminal) -> None:
    """`q` arrête pytest, même dans une task, dont Prefect note l'échec."""
    in_kata.read_until("(Pdb)")
    in_kata.type("q")
    code, end = in_kata.end()

    assert (2, True, False) == (code, "Quitting debugger" in end, "à corriger" in end), end


@pytest.mark.slow
def test_debugger_of_the_editor_waits_too(toy: Toy) -> None:
    """De même sur un point d'arrêt de l'éditeur ; ni le délai ni le dernier recours ne tuent pytest."""
    toy.write(kata.DONE)
    line = kata.DONE.splitlines().index("    return 1") + 1
    port = free_port()
    debugger = ["-X", "frozen_modules=off", "-m", "debugpy", "--listen", f"127.0.0.1:{port}", "--wait-for-client"]
    pytest_run = subprocess.Popen(
        [sys.executable, *debugger, "-m", "pytest", "-k", "test_one", *OPTIONS, "-o", "faulthandler_timeout=3"],
        cwd=toy.root,
        env={**os.environ, "ATELIER_WARM": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    try:
        with _debug_adapter(port) as (ask, wait_for):
            ask("initialize", adapterID="atelier", pathFormat="path")
            ask("attach", subProcess=False)
            wait_for("initialized")
            ask("setBreakpoints", source={"path": str(toy.file)}, breakpoints=[{"line": line}])
            ask("configurationDone")
            thread = wait_for("stopped")["threadId"]
            time.sleep(THINKING_SECONDS)
            ask("continue", threadId=thread)
            wait_for("terminated")
        output, _ = pytest_run.communicate(timeout=30)
    finally:
        pytest_run.kill()

    assert (0, True) == (pytest_run.returncode, "1 passed" in output), output


@contextmanager
def _debug_adapter(port: int) -> Iterator[tuple[Callable[..., None], Callable[[str], dict]]]:
    """Parle à debugpy comme un éditeur (Debug Adapter Protocol) : de quoi demander, et attendre un évènement."""

    def ask(command: str, **arguments: object) -> None:
        request = json.dumps({"seq": 1, "type": "request", "command": command, "arguments": arguments}).encode()
        connection.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(request), request))

    def wait_for(event: str) -> dict:
        while header := messages.readline():
            messages.readline()
            message = json.loads(messages.read(int(header.removeprefix(b"Content-Length:"))))
            if message.get("event") == event:
                return message.get("body", {})
        raise AssertionError(f"debugpy n'a pas dit « {event} »")

    # Une seule connexion : debugpy s'arrête quand l'éditeur raccroche.
    connection = _connected(port)
    with connection, connection.makefile("rb") as messages:
        yield ask, wait_for


def _connected(port: int) -> socket.socket:
    for _ in range(300):
        with suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        time.sleep(0.1)
    raise AssertionError("debugpy n'écoute pas")
