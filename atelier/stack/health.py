"""Chaque service sert-il vraiment ? On lui demande ce qu'un kata lui demandera, base, contrôles et fichiers compris.

Un port ouvert ne suffit pas, ni les pages de santé, qui répondent aussi à qui sera refusé. Et le programme qui répond
doit être le bon : un autre peut tenir le port.
"""

from collections.abc import Mapping
from datetime import datetime
from textwrap import shorten
from typing import Any

from atelier.dagster.settings import DAGSTER
from atelier.machine.web import fetch_json
from atelier.mlflow.settings import MLFLOW
from atelier.prefect.server import is_ready, is_same_version
from atelier.prefect.settings import POOL, PREFECT
from atelier.stack.service import Answer

GRAPHQL = """{ workspaceOrError { ... on Workspace { locationEntries {
  loadStatus locationOrLoadError { __typename ... on PythonError { message errorChain { error { message } } } }
} } } }"""


def ask_mlflow(timeout: float, since: float | None) -> Answer | None:
    """Une lecture de la base, à travers les contrôles que subira l'étudiant."""
    found = fetch_json(f"{MLFLOW.url}/api/2.0/mlflow/experiments/search?max_results=1", timeout)
    return Answer() if isinstance(found, dict) and found.get("experiments") else None


def ask_prefect(timeout: float, since: float | None) -> Answer | None:
    """Le serveur, sa base, et la version qu'il faut."""
    url = PREFECT.url
    return Answer() if is_ready(url, timeout) and is_same_version(url) else None


def ask_worker(timeout: float, since: float | None, name: str) -> Answer | None:
    """Le serveur a-t-il entendu le worker de ce pool ?

    `since` est l'heure où le nôtre, de ce nom, a démarré : il doit s'être annoncé depuis. Sans elle, c'est celui d'un
    autre.
    """
    workers = fetch_json(f"{PREFECT.url}/work_pools/{POOL}/workers/filter", timeout, body={})
    heard = isinstance(workers, list) and any(_is_heard(worker, since, name) for worker in workers)
    return Answer() if heard else None


def _is_heard(worker: Mapping[str, Any], since: float | None, name: str) -> bool:
    ours = worker["name"] == name
    if worker["status"] != "ONLINE" or ours is (since is None):
        return False  # le nôtre reste ONLINE quelques secondes après sa mort
    return since is None or datetime.fromisoformat(worker["last_heartbeat_time"]).timestamp() >= since


def ask_dagster(timeout: float, since: float | None) -> Answer | None:
    """L'interface et le fichier des assets : un fichier en erreur se voit dans l'interface, qui sert quand même."""
    found = fetch_json(f"{DAGSTER.url}/graphql", timeout, body={"query": GRAPHQL})
    try:
        location = found["data"]["workspaceOrError"]["locationEntries"][0]
        if location["loadStatus"] != "LOADED":
            return None
        error = location["locationOrLoadError"]
        causes = [link["error"]["message"] for link in error.get("errorChain") or []]
    except (KeyError, TypeError, IndexError, AttributeError):
        return None
    if error["__typename"] != "PythonError":
        return Answer()
    return Answer(f"le fichier du kata 08 ne se charge pas encore : {_in_short([error['message'], *causes][-1])}")


def _in_short(message: str) -> str:
    """La ligne qui nomme l'erreur, pas la trace de Dagster."""
    return shorten(message.strip().splitlines()[-1], 120, placeholder="…")
