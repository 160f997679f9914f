"""Ce que font les fixtures des trois outils, chacune pour le sien : préparer, dire si un test s'en sert, réparer."""

from collections.abc import Callable

import pytest

from atelier.feedback.report import SOURCE
from atelier.machine.errors import EnvironmentProblem

# La fixture par laquelle un test qui n'est pas d'un kata de l'outil s'en sert quand même.
FIXTURES = {"prefect": "prefect_server", "mlflow": "mlflow_store"}


def prepare(prepare_environment: Callable[[], None]) -> None:
    """Prépare un outil avant le premier test ; un réglage impossible arrête pytest d'une phrase, sans trace."""
    try:
        prepare_environment()
    except EnvironmentProblem as problem:
        raise pytest.UsageError(f"{problem}. Pour réparer : {problem.repair}.") from problem


def needs_prefect(item: pytest.Item) -> bool:
    """Dit si ce test se sert de Prefect."""
    return _needs(item, "prefect")


def needs_mlflow(item: pytest.Item) -> bool:
    """Dit si ce test se sert de MLflow."""
    return _needs(item, "mlflow")


def needs_stack(item: pytest.Item) -> bool:
    """Dit si ce test joue sur l'atelier entier, donc à l'heure réelle : le worker n'en connaît pas d'autre."""
    return item.get_closest_marker("stack") is not None and SOURCE in item.stash


def repair_of(service: str) -> str:
    """Que faire quand ce serveur ne répond plus : il est peut-être dans un conteneur, ou chez quelqu'un d'autre."""
    from atelier.stack.services import workshop

    stack = workshop()
    found = stack.services[service]
    return stack.elsewhere_repair(found) if stack.elsewhere(found) else "make down && make up"


def _needs(item: pytest.Item, tool: str) -> bool:
    source = item.stash.get(SOURCE, None)
    return (source is not None and source.tool == tool) or FIXTURES[tool] in getattr(item, "fixturenames", ())
