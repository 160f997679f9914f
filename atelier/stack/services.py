"""Les quatre services de l'atelier, avec ou sans Docker.

`make up` lance ceux qui manquent ; chaque conteneur de `compose/` en fait tourner un, par `python -m atelier run NOM`.
Ce qui change d'une machine à l'autre vient de l'environnement :

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
import sys
from pathlib import Path
from urllib.parse import urlsplit

from atelier.dagster import settings as dagster
from atelier.dagster.settings import DAGSTER
from atelier.exercise.kata import KATAS
from atelier.machine.addresses import browser_url, loopback_without_proxy
from atelier.machine.paths import ROOT, state_dir
from atelier.machine.privacy import without_settings
from atelier.mlflow import settings as mlflow
from atelier.mlflow.settings import MLFLOW
from atelier.prefect import server as prefect_server
from atelier.prefect import settings as prefect
from atelier.prefect.settings import POOL, PREFECT
from atelier.stack import health
from atelier.stack.lifecycle import Stack
from atelier.stack.service import Answer, Plan, Service

# Ce qui dirigerait un service vers le compte, la base ou le dossier de quelqu'un.
PERSONAL = (*prefect.PERSONAL, *mlflow.PERSONAL, *dagster.PERSONAL)
COMMON = mlflow.NO_TELEMETRY | {
    "PYTHONUNBUFFERED": "1",  # un journal à jour, même après une mort brutale
    "PYTHONUTF8": "1",  # sous Windows, un journal en UTF-8 aussi
}
WORKER_LIMIT = 2  # un entraînement par cœur, sur les deux d'une petite machine
DAGSTER_FILE = KATAS / "08_assets" / "dagster_assets.py"
DAGSTER_LOCATION = "katas"


def workshop() -> Stack:
    """L'atelier de cette installation."""
    return Stack(SERVICES, environment)


def environment() -> dict[str, str]:
    """Ce dont hérite chaque service : rien de personnel, ni télémétrie, ni proxy vers cette machine."""
    kept = loopback_without_proxy(without_settings(os.environ, *PERSONAL))
    # Un flow peut lancer une commande de l'environnement virtuel, même si personne ne l'a activé.
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return kept | COMMON | mlflow.figures() | {"PATH": path}


def worker_name() -> str:
    """Le nom de notre worker pour le serveur, qui peut en connaître d'autres : un par dossier d'état."""
    return f"atelier-{hashlib.sha256(str(state_dir()).encode()).hexdigest()[:4]}"


def _mlflow() -> Plan:
    home, local = mlflow.home(), MLFLOW.local
    hosts = ["localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*"]
    origins = [local]
    if (seen := browser_url(local)) not in origins:
        hosts.append(urlsplit(seen).netloc)
        origins.append(seen)
    if tunnel := os.environ.get("ATELIER_TUNNEL"):
        hosts.append(tunnel)
        origins.append(f"https://{tunnel}")
    arguments = ["-m", "atelier.mlflow.server", "--host", _bind(), "--port", str(MLFLOW.port), "--workers", "1"]
    arguments += ["--uvicorn-opts", "--log-level warning"]
    arguments += ["--backend-store-uri", f"sqlite:///{(home / 'mlflow.db').as_posix()}"]
    arguments += ["--artifacts-destination", (home / "artifacts").as_uri()]
    # Toute autre page web est refusée : ni son nom (Host) ni son origine (Origin) ne sont dans ces listes.
    arguments += ["--allowed-hosts", ",".join(hosts), "--cors-allowed-origins", ",".join(origins)]
    # Les travaux de fond servent à l'évaluation de LLM : sept processus de moins.
    return Plan(arguments, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, home)


def _prefect() -> Plan:
    home = prefect.home("server")
    settings = {
        **prefect.SERVER,
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "true",
        "PREFECT_HOME": str(home),
        "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"),
        # L'interface vient de la même adresse que l'API : aucune autre page n'a à lire les réponses.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{PREFECT.port}",
    }
    return Plan([*prefect_server.COMMAND, "--host", _bind(), "--port", str(PREFECT.port)], settings, home)


def _worker() -> Plan:
    arguments = ["-m", "atelier.prefect.worker", "worker", "start", "--pool", POOL, "--type", "process"]
    arguments += ["--limit", str(WORKER_LIMIT), "--name", worker_name()]
    settings = prefect.client() | {
        "PREFECT_UI_URL": browser_url(PREFECT.url),
        "PREFECT_LOCAL_STORAGE_PATH": str(prefect.results()),
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        "PREFECT_WORKER_HEARTBEAT_SECONDS": "5",  # un worker mort se voit au bout de 15 secondes
        "MLFLOW_TRACKING_URI": MLFLOW.url,
    }
    return Plan(arguments, settings, prefect.home("client"))


def _dagster() -> Plan:
    home = dagster.home()
    file = Path(os.environ.get("ATELIER_DAGSTER_FILE") or DAGSTER_FILE).resolve()
    location = {
        "relative_path": str(file),
        "attribute": "defs",
        "working_directory": str(ROOT),
        "location_name": DAGSTER_LOCATION,
    }
    workspace = {"load_from": [{"python_file": location}]}
    files = {"dagster.yaml": dagster.DAGSTER_YAML, "workspace.yaml": json.dumps(workspace)}
    arguments = ["-m", "dagster", "dev", "--workspace", str(home / "workspace.yaml")]
    arguments += ["--host", _bind(), "--port", str(DAGSTER.port)]
    settings = {"DAGSTER_HOME": str(home), "MLFLOW_TRACKING_URI": MLFLOW.url, "PREFECT_API_URL": PREFECT.url}
    return Plan(arguments, settings, home, files)


def _ask_worker(timeout: float, since: float | None) -> Answer | None:
    return health.ask_worker(timeout, since, worker_name())


SERVICES = (
    Service("mlflow", "MLflow", "mlflow", _mlflow, health.ask_mlflow, MLFLOW),
    # Le serveur que `pytest` garde pour lui n'a plus de raison d'être quand celui-ci répond.
    Service("prefect", "Prefect", "prefect", _prefect, health.ask_prefect, PREFECT, replaces=(prefect_server.NAME,)),
    # Il arrête d'abord les runs en cours, qui le disent au serveur : trois secondes, pas plus.
    Service("worker", "Worker", "prefect", _worker, _ask_worker, label=POOL, needs=("prefect",), stop_seconds=3.0),
    Service("dagster", "Dagster", "dagster", _dagster, health.ask_dagster, DAGSTER),
)


def _bind() -> str:
    return os.environ.get("ATELIER_BIND") or "127.0.0.1"
