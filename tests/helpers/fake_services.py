"""De faux services : de vrais processus, qui écoutent aux mêmes adresses et donnent les mêmes réponses que les vrais.

Les vrais mettent une demi-minute à démarrer. Ceux-ci ne changent que la commande d'une déclaration : le reste,
adresses, dépendances et questions, est celui de l'atelier.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from atelier import __main__ as command
from atelier.machine import processes
from atelier.machine.packages import installed_version
from atelier.stack import services
from atelier.stack.lifecycle import Stack
from atelier.stack.service import Plan, Service
from tests.helpers.ports import free_port

# Réglé par l'environnement : FAKE_DELAY, FAKE_DEAD, FAKE_SLOW, FAKE_WORKER, FAKE_PREFECT.
FAKE = """\
import http.server, json, os, sys, time
from datetime import datetime, timezone

name = sys.argv[1]
time.sleep(float(os.environ.get("FAKE_DELAY", "0")))
if name in os.environ.get("FAKE_DEAD", ""):
    sys.exit("Traceback (most recent call last):\\nOSError: la base est illisible")
if name in os.environ.get("FAKE_SLOW", "") or name == "worker":
    time.sleep(600)

def worker(status, heard):
    return {"name": os.environ["FAKE_WORKER"], "status": status, "last_heartbeat_time": heard}

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        now = datetime.now(timezone.utc).isoformat()
        loaded = {"loadStatus": "LOADED", "locationOrLoadError": {"__typename": "RepositoryLocation"}}
        answers = {
            "/api/2.0/mlflow/experiments/search?max_results=1": {"experiments": [{}]},
            "/api/ready": {},
            "/api/admin/version": os.environ["FAKE_PREFECT"],
            "/api/work_pools/default-pool/workers/filter": [worker("ONLINE", now)],
            "/graphql": {"data": {"workspaceOrError": {"locationEntries": [loaded]}}},
        }
        body = json.dumps(answers[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass

port = int(os.environ[f"ATELIER_{name.upper()}_PORT"])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""

NAMES = [service.name for service in services.SERVICES]


def fake_stack() -> Stack:
    """L'atelier de cette installation, en faux."""
    return Stack(map(_faked, services.SERVICES), services.environment)


def _faked(service: Service) -> Service:
    def plan() -> Plan:
        real = service.plan()
        # Les arguments du vrai, que personne ne lit : changer un réglage change encore son empreinte.
        return Plan(["-c", FAKE, service.name, *real.arguments], real.settings, real.home)

    return replace(service, plan=plan)


Atelier = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Un atelier à part : son dossier, ses ports, et de faux services."""
    for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "ATELIER_SIDECARS", "CODESPACE_NAME"):
        monkeypatch.setenv(variable, "")
    for service in services.SERVICES:
        if service.address:
            monkeypatch.setenv(service.address.port_setting, str(free_port()))
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path))
    monkeypatch.setenv("ATELIER_WARM", "0")
    monkeypatch.setenv("FAKE_WORKER", services.worker_name())
    monkeypatch.setenv("FAKE_PREFECT", installed_version("prefect"))
    yield tmp_path
    fake_stack().down()


@pytest.fixture
def atelier(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Joue `python -m atelier …` ; rend le code de retour et ce qui s'affiche."""

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = command.main(arguments, fake_stack())
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return run


def heads() -> dict[str, psutil.Process | None]:
    """Le processus principal de chaque service, s'il tourne."""
    return {name: family.head for name, family in processes.families(NAMES).items()}


def kill(name: str) -> None:
    """Tue ce service sans préavis."""
    process = heads()[name]
    assert process
    process.kill()
    process.wait()
