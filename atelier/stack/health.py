"""Chaque service sert-il vraiment ? On lui demande ce qu'un kata lui demandera, base, contrôles et fichiers compris.

Un port ouvert ne suffit pas, ni les pages de santé, qui répondent aussi à qui sera refusé. Et le programme qui répond
doit être le bon : un autre peut tenir le port.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from textwrap import shorten
from typing import Any

from atelier.machine.addresses import dagster_url, mlflow_url, prefect_api_url
from atelier.machine.web import fetch_json
from atelier.prefect.server import is_ready, is_same_version
from atelier.stack.services import POOL, worker_name

GRAPHQL = """{ workspaceOrError { ... on Workspace { locationEntries {
  loadStatus locationOrLoadError { __typename ... on PythonError { message errorChain { error { message } } } }
} } } }"""


@dataclass(frozen=True)
class Answer:
    """Ce que le service a répondu ; `note` dit ce qui ne va pas sans l'empêcher de servir."""

    note: str = ""


def ask(name: str, timeout: float = 2.0, since: float | None = None) -> Answer | None:
    """La réponse de ce service, ou rien s'il ne sert pas.

    `since` est l'heure où le nôtre a démarré : un worker doit s'être annoncé depuis. Sans elle, c'est celui d'un autre.
    """
    return _ask_worker(timeout, since) if name == "worker" else CHECKS[name](timeout)


def _ask_mlflow(timeout: float) -> Answer | None:
    found = fetch_json(f"{mlflow_url()}/api/2.0/mlflow/experiments/search?max_results=1", timeout)
    return Answer() if isinstance(found, dict) and found.get("experiments") else None


def _ask_prefect(timeout: float) -> Answer | None:
    url = prefect_api_url()
    return Answer() if is_ready(url, timeout) and is_same_version(url) else None


def _ask_worker(timeout: float, since: float | None) -> Answer | None:
    """Le serveur a-t-il entendu le worker de ce pool ?"""
    workers = fetch_json(f"{prefect_api_url()}/work_pools/{POOL}/workers/filter", timeout, body={})
    heard = isinstance(workers, list) and any(_is_heard(worker, since) for worker in workers)
    return Answer() if heard else None


def _is_heard(worker: Mapping[str, Any], since: float | None) -> bool:
    ours = worker["name"] == worker_name()
    if worker["status"] != "ONLINE" or ours is (since is None):
        return False  # le nôtre reste ONLINE quelques secondes après sa mort
    return since is None or datetime.fromisoformat(worker["last_heartbeat_time"]).timestamp() >= since


def _ask_dagster(timeout: float) -> Answer | None:
    """L'interface et le fichier des assets : un fichier en erreur se voit dans l'interface, qui sert quand même."""
    found = fetch_json(f"{dagster_url()}/graphql", timeout, body={"query": GRAPHQL})
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


CHECKS: dict[str, Callable[[float], Answer | None]] = {
    "mlflow": _ask_mlflow,
    "prefect": _ask_prefect,
    "dagster": _ask_dagster,
}
