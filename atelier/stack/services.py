"""Les quatre services de l'atelier : la commande et l'environnement de chacun, avec ou sans Docker.

`make up` et chaque conteneur de `compose/` exécutent la même chose, `python -m atelier run NOM`, qui cède sa place au
vrai serveur. Ce qui change d'une machine à l'autre vient de l'environnement :

- `ATELIER_HOME`, le dossier d'état (`.atelier/` par défaut) ;
- `ATELIER_PREFECT_PORT`, `ATELIER_MLFLOW_PORT`, `ATELIER_DAGSTER_PORT`, les ports (voir `.env.example`) ;
- `ATELIER_BIND`, l'adresse d'écoute : 127.0.0.1, sauf dans un conteneur qui publie ses ports ;
- `ATELIER_SIDECARS`, les services que des conteneurs font déjà tourner (« mlflow,prefect,worker,dagster ») : `make up`
  les attend au lieu de les lancer ;
- `CODESPACE_NAME`, pour que MLflow accepte le navigateur d'un codespace (« * » : celui de n'importe lequel) ;
- `ATELIER_TUNNEL`, le nom sous lequel un codespace montre MLflow, que son conteneur ne peut pas connaître ;
- `ATELIER_DAGSTER_FILE`, le fichier que montre Dagster, si ce n'est pas celui du kata 08.
"""

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from atelier.machine import processes
from atelier.machine.addresses import (
    browser_url,
    dagster_url,
    local_mlflow_url,
    local_prefect_api_url,
    loopback_without_proxy,
    mlflow_url,
    prefect_api_url,
)
from atelier.machine.packages import installed_version
from atelier.machine.paths import ROOT, state_dir
from atelier.prefect.server import COMMAND as PREFECT_COMMAND
from atelier.prefect.server import SETTINGS as PREFECT_SETTINGS
from atelier.prefect.server import is_ready

POOL = "default-pool"
WORKER_LIMIT = 2  # un entraînement par cœur, sur les deux d'une petite machine
DAGSTER_FILE = ROOT / "katas" / "08_assets" / "dagster_assets.py"
DAGSTER_LOCATION = "katas"
# Ce qui dirigerait un service vers le compte, la base ou le dossier de quelqu'un.
PERSONAL = ("PREFECT_", "MLFLOW_", "_MLFLOW_", "DAGSTER_")
COMMON = {
    "DO_NOT_TRACK": "true",  # MLflow n'entend que ce mot-là
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONUNBUFFERED": "1",  # un journal à jour, même après une mort brutale
    "PYTHONUTF8": "1",  # sous Windows, un journal en UTF-8 aussi
}
# `nux` est la fenêtre qui demande une adresse électronique. Un run à la fois, lancé dans la seconde.
DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
run_queue:
  max_concurrent_runs: 1
  dequeue_interval_seconds: 1
"""


@dataclass(frozen=True)
class Plan:
    """De quoi lancer un service : les arguments de Python, ses réglages, son dossier et les fichiers qu'il y lit."""

    arguments: list[str]
    settings: dict[str, str]
    home: Path
    files: dict[str, str] = field(default_factory=dict)


def run(name: str) -> int:
    """Devient ce service, au premier plan ; ne revient que là où un processus ne peut pas céder sa place."""
    plan = PLANS[name]()
    if name == "worker":
        # Sans serveur à son départ, il renonce pour toujours aux événements : annulations, runs des tasks.
        _wait_for_prefect(plan.settings["PREFECT_API_URL"])
    plan.home.mkdir(parents=True, exist_ok=True)
    for file, content in plan.files.items():
        (plan.home / file).write_text(content, encoding="utf-8")
    # Une commande lancée par un script avec `&` ignore SIGINT, et Dagster fait de SIGTERM un SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = processes.marked(name, fingerprint(name))
    command = [sys.executable, *options, *plan.arguments]
    environment = _environment() | plan.settings | {processes.VARIABLE: processes.mark(name)}
    os.chdir(ROOT)  # les chemins relatifs d'un kata partent de la racine, comme dans un terminal
    if sys.platform != "win32":
        os.execve(sys.executable, command, environment)
    return subprocess.call(command, env=environment)


def worker_name() -> str:
    """Le nom de notre worker pour le serveur, qui peut en connaître d'autres : un par dossier d'état."""
    return f"atelier-{hashlib.sha256(str(state_dir()).encode()).hexdigest()[:4]}"


def fingerprint(name: str) -> str:
    """Change quand le service doit être relancé : d'autres réglages, une autre version."""
    plan = PLANS[name]()
    version = installed_version(PACKAGES[name])
    parts = [platform.python_version(), version, plan.arguments, plan.settings, sorted(plan.files.items())]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _mlflow() -> Plan:
    home = state_dir() / "mlflow"
    address = urlsplit(local_mlflow_url())
    hosts = ["localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*"]
    origins = [address.geturl()]
    if (seen := browser_url(address.geturl())) not in origins:
        hosts.append(urlsplit(seen).netloc)
        origins.append(seen)
    if tunnel := os.environ.get("ATELIER_TUNNEL"):
        hosts.append(tunnel)
        origins.append(f"https://{tunnel}")
    arguments = ["-m", "atelier.mlflow.server", "--host", _bind(), "--port", str(address.port), "--workers", "1"]
    arguments += ["--uvicorn-opts", "--log-level warning"]
    arguments += ["--backend-store-uri", f"sqlite:///{(home / 'mlflow.db').as_posix()}"]
    arguments += ["--artifacts-destination", (home / "artifacts").as_uri()]
    # Toute autre page web est refusée : ni son nom (Host) ni son origine (Origin) ne sont dans ces listes.
    arguments += ["--allowed-hosts", ",".join(hosts), "--cors-allowed-origins", ",".join(origins)]
    # Les travaux de fond servent à l'évaluation de LLM : sept processus de moins.
    return Plan(arguments, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, home)


def _prefect() -> Plan:
    home = state_dir() / "prefect" / "server"
    address = urlsplit(local_prefect_api_url())
    settings = {
        **PREFECT_SETTINGS,
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "true",
        "PREFECT_HOME": str(home),
        "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"),
        # L'interface vient de la même adresse que l'API : aucune autre page n'a à lire les réponses.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{address.port}",
    }
    return Plan([*PREFECT_COMMAND, "--host", _bind(), "--port", str(address.port)], settings, home)


def _worker() -> Plan:
    arguments = ["-m", "atelier.prefect.worker", "worker", "start", "--pool", POOL, "--type", "process"]
    arguments += ["--limit", str(WORKER_LIMIT), "--name", worker_name()]
    settings = {
        "PREFECT_API_URL": prefect_api_url(),
        "PREFECT_API_KEY": "",
        "PREFECT_UI_URL": browser_url(prefect_api_url()),
        "PREFECT_HOME": str(state_dir() / "prefect" / "client"),
        "PREFECT_LOCAL_STORAGE_PATH": str(state_dir() / "prefect" / "results"),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        "PREFECT_WORKER_HEARTBEAT_SECONDS": "5",  # un worker mort se voit au bout de 15 secondes
        "MLFLOW_TRACKING_URI": mlflow_url(),
    }
    return Plan(arguments, settings, state_dir() / "prefect" / "client")


def _dagster() -> Plan:
    home = state_dir() / "dagster"
    file = Path(os.environ.get("ATELIER_DAGSTER_FILE") or DAGSTER_FILE).resolve()
    location = {
        "relative_path": str(file),
        "attribute": "defs",
        "working_directory": str(ROOT),
        "location_name": DAGSTER_LOCATION,
    }
    files = {"dagster.yaml": DAGSTER_YAML, "workspace.yaml": json.dumps({"load_from": [{"python_file": location}]})}
    arguments = ["-m", "dagster", "dev", "--workspace", str(home / "workspace.yaml")]
    arguments += ["--host", _bind(), "--port", str(urlsplit(dagster_url()).port)]
    settings = {"DAGSTER_HOME": str(home), "MLFLOW_TRACKING_URI": mlflow_url(), "PREFECT_API_URL": prefect_api_url()}
    return Plan(arguments, settings, home, files)


PLANS: dict[str, Callable[[], Plan]] = {
    "mlflow": _mlflow,
    "prefect": _prefect,
    "worker": _worker,
    "dagster": _dagster,
}
PACKAGES = {"mlflow": "mlflow", "prefect": "prefect", "worker": "prefect", "dagster": "dagster"}


def _wait_for_prefect(api_url: str) -> None:
    while not is_ready(api_url):
        time.sleep(0.2)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PERSONAL)}
    # Un flow peut lancer une commande de l'environnement virtuel, même si personne ne l'a activé.
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return kept | COMMON | loopback_without_proxy() | {"PATH": path}


def _bind() -> str:
    return os.environ.get("ATELIER_BIND") or "127.0.0.1"
