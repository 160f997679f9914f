"""Le serveur privé : lancé une fois, retrouvé, remplacé s'il est malade, arrêté par `make down`.

Un faux serveur tient la place de Prefect, qui met huit secondes à démarrer : un vrai processus, qui répond à la
même adresse. `test_outages.py` refait l'essentiel avec le vrai.
"""

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from atelier.machine import processes
from atelier.machine.errors import EnvironmentProblem
from atelier.machine.until import until
from atelier.prefect import server as prefect_server
from atelier.prefect import settings
from atelier.prefect.server import ensure_server, running_server, stop_server
from tests.helpers.katas import ROOT

GONE_SECONDS = 10
FAKE = """\
import http.server, os, sys, threading, time

time.sleep(float(os.environ.get("FAKE_DELAY", "0")))
port = int(sys.argv[sys.argv.index("--port") + 1])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if os.path.exists("hang"):
            time.sleep(60)
        body = b'"3.8.8"' if self.path.endswith("version") else b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
NOBODY_PORT = 1029  # personne n'écoute là


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", "")
    monkeypatch.setenv("ATELIER_PREFECT_PORT", str(NOBODY_PORT))
    monkeypatch.setattr(prefect_server, "COMMAND", ("-c", FAKE))
    monkeypatch.setattr(prefect_server, "PATIENCE_SECONDS", 0.5)
    yield tmp_path
    stop_server()


@pytest.fixture
def public(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Un serveur qui n'est pas à nous, à l'adresse de PREFECT_API_URL, et répond toujours la même chose."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(request.param)

        def log_message(self, format: str, *arguments: object) -> None:
            """Ne dit rien."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/api"
        monkeypatch.setenv("PREFECT_API_URL", url)
        yield url
        server.shutdown()


def _record(home: Path) -> dict[str, object]:
    return json.loads((home / "prefect-server.json").read_text(encoding="utf-8"))


def _process(home: Path) -> psutil.Process:
    return psutil.Process(int(str(_record(home)["pid"])))


def _edit_record(home: Path, **changes: object) -> None:
    (home / "prefect-server.json").write_text(json.dumps(_record(home) | changes), encoding="utf-8")


def _is_gone(process: psutil.Process) -> bool:
    """Dit si ce processus est fini ; tué, il met un instant à finir sur une machine chargée."""
    return any(not process.is_running() or process.status() == psutil.STATUS_ZOMBIE for _ in until(GONE_SECONDS))


def test_private_server_is_kept_and_found_again(home: Path) -> None:
    """Lancé une fois, le serveur sert aux suivantes."""
    first, process = ensure_server(), _process(home)

    assert (first, process) == (ensure_server(), _process(home))
    assert (first.private, running_server()) == (True, first)


def test_private_server_listens_on_loopback_only(home: Path) -> None:
    """Le serveur n'écoute que cette machine, sur un port libre."""
    server = ensure_server()

    listening = [socket for socket in _process(home).net_connections() if socket.status == psutil.CONN_LISTEN]
    addresses = {socket.laddr.ip for socket in listening}
    assert ({"127.0.0.1"}, True) == (addresses, server.url.startswith("http://127.0.0.1:"))


@pytest.mark.skipif(sys.platform == "win32", reason="les sessions sont une notion d'Unix")
def test_private_server_survives_a_ctrl_c(home: Path) -> None:
    """Le serveur a sa session : le Ctrl-C du terminal ne l'atteint pas."""
    ensure_server()
    process = _process(home)

    assert process.pid == os.getsid(process.pid)


def test_private_server_gets_no_setting_of_the_user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ni le compte, ni la base, ni le profil de l'utilisateur n'arrivent au serveur."""
    for name in ("PREFECT_API_KEY", "PREFECT_PROFILE", "PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_API_URL"):
        monkeypatch.setenv(name, "secret")
    ensure_server()

    environment = _process(home).environ()
    assert {} == {name: value for name, value in environment.items() if "secret" in value}
    assert environment["PREFECT_HOME"].startswith(str(home))


def test_dead_server_is_replaced(home: Path) -> None:
    """Un serveur tué laisse sa place au prochain lancement."""
    ensure_server()
    old = _process(home)
    old.kill()
    old.wait()
    ensure_server()

    assert old != _process(home)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="on ne suspend pas un processus sous Windows")
def test_suspended_server_is_replaced_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un serveur suspendu est remplacé sans que l'on attende de réponse de lui, et ne reste pas derrière."""
    asked, is_ready = [], prefect_server.is_ready
    first = ensure_server()
    old = _process(home)
    old.suspend()
    monkeypatch.setattr(prefect_server, "is_ready", lambda url, *limit: asked.append(url) or is_ready(url, *limit))
    second = ensure_server()

    assert (True, True) == (_is_gone(old), old != _process(home))
    assert (False, True) == (first.url in asked, second.url in asked)


def test_silent_server_is_replaced(home: Path) -> None:
    """Un serveur en vie mais qui ne répond plus est arrêté, puis remplacé."""
    ensure_server()
    old, hang = _process(home), home / "prefect" / str(_record(home)["fingerprint"]) / "hang"
    hang.touch()
    threading.Timer(0.8, hang.unlink).start()
    ensure_server()

    assert (True, True) == (_is_gone(old), old != _process(home))


def test_server_of_another_version_is_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Après une mise à jour, l'ancien serveur s'arrête et le nouveau a sa propre base."""
    ensure_server()
    old, before = _process(home), {path.name for path in (home / "prefect").iterdir()}
    monkeypatch.setattr(prefect_server, "fingerprint", lambda: "another")
    ensure_server()

    assert (True, {"another"}) == (_is_gone(old), {path.name for path in (home / "prefect").iterdir()} - before)


def test_fingerprint_follows_versions_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Une autre version ou un autre réglage, c'est un autre serveur."""
    before = prefect_server.fingerprint()
    monkeypatch.setitem(settings.SERVER, "PREFECT_SERVER_ANALYTICS_ENABLED", "true")
    with_setting = prefect_server.fingerprint()
    monkeypatch.setattr(prefect_server, "installed_version", lambda package: "9.9.9")

    assert 3 == len({before, with_setting, prefect_server.fingerprint()})


def test_drifting_clock_does_not_lose_the_server(home: Path) -> None:
    """L'heure de la machine peut sauter (mise en veille, conteneur repris) : c'est toujours le même serveur."""
    server = ensure_server()
    _edit_record(home, started=12.5)

    assert server == running_server()


def test_reused_number_is_not_our_server(home: Path) -> None:
    """Un autre programme qui a repris le numéro du serveur n'est ni interrogé, ni tué."""
    ensure_server()
    old = _process(home)
    old.kill()
    old.wait()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        _edit_record(home, pid=innocent.pid)
        ensure_server()

        assert innocent.poll() is None
        innocent.communicate(b"\n")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', "null"])
def test_damaged_record_is_forgotten(home: Path, content: str) -> None:
    """Un état illisible compte pour rien."""
    (home / "prefect-server.json").write_text(content, encoding="utf-8")

    assert (None, False) == (running_server(), stop_server())


def test_two_first_runs_start_one_server(home: Path) -> None:
    """Deux premiers lancements simultanés partagent un seul serveur."""
    script = f"from atelier.prefect import server as p\np.COMMAND = ('-c', {FAKE!r})\nprint(p.ensure_server().url)"
    environment = {**os.environ, "FAKE_DELAY": "0.5"}
    runs = [
        subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    urls = {run.communicate(timeout=60)[0].strip() for run in runs}

    # Un seul processus porte la marque de ce dossier d'état ; ceux des autres ne comptent pas.
    assert ({_record(home)["url"]}, [_process(home)]) == (urls, processes.members([prefect_server.NAME]))


def test_stop_leaves_nothing(home: Path) -> None:
    """`make down` arrête le serveur et l'oublie ; une seconde fois, il n'y a rien à faire."""
    ensure_server()
    process = _process(home)

    assert (True, False) == (stop_server(), stop_server())
    assert (True, False) == (_is_gone(process), (home / "prefect-server.json").exists())


def test_taken_port_is_an_environment_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Le port pris entre-temps : la raison est dans le message, et la réparation."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(prefect_server.ports, "free_port", lambda: taken.getsockname()[1])
        with pytest.raises(EnvironmentProblem, match=r"Address already in use|10048") as problem:
            ensure_server()

    assert "make down && make up" == problem.value.repair


def test_server_that_never_answers_is_an_environment_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Un serveur trop lent : on dit où lire son journal."""
    monkeypatch.setenv("FAKE_DELAY", "60")
    monkeypatch.setattr(prefect_server, "START_SECONDS", 0.5)
    with pytest.raises(EnvironmentProblem, match=r"prefect-server\.log"):
        prefect_server.wait_until_ready(prefect_server.launch_server(), seconds=0.5)


def test_python_that_does_not_start_is_an_environment_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pas d'exécutable, pas de place : un message, pas une trace."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EnvironmentProblem, match="ne se lance pas"):
        prefect_server.launch_server()


@pytest.mark.parametrize("public", [b'"3.8.1"'], indirect=True)
def test_server_that_answers_is_used(public: str, home: Path) -> None:
    """Un serveur de la même version répond à PREFECT_API_URL : c'est lui que l'on prend."""
    server = ensure_server()

    assert (public, False) == (server.url, server.private)
    assert not (home / "prefect-server.json").exists()


@pytest.mark.parametrize("public", [b"<html>bonjour</html>", b'"2.20.1"', b"", b"[]", b"null"], indirect=True)
def test_other_program_at_this_address_is_ignored(public: str) -> None:
    """Un autre programme, ou un Prefect d'une autre version, n'est pas le nôtre."""
    server = ensure_server()

    assert (True, True) == (server.private, server.url != public)
