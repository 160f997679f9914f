"""Ce que le harnais sait d'un test : le kata qu'il joue, l'outil et les serveurs qu'il lui faut."""

import pytest

from atelier.feedback.report import SOURCE

# La fixture par laquelle un test qui n'est pas d'un kata de l'outil s'en sert quand même.
FIXTURES = {"prefect": "prefect_server", "mlflow": "mlflow_store"}


def needs(item: pytest.Item, tool: str) -> bool:
    """Dit si ce test se sert de cet outil."""
    source = item.stash.get(SOURCE, None)
    return (source is not None and source.tool == tool) or FIXTURES[tool] in getattr(item, "fixturenames", ())


def needs_prefect(item: pytest.Item) -> bool:
    """Dit si ce test se sert de Prefect."""
    return needs(item, "prefect")


def needs_mlflow(item: pytest.Item) -> bool:
    """Dit si ce test se sert de MLflow."""
    return needs(item, "mlflow")


def needs_stack(item: pytest.Item) -> bool:
    """Dit si ce test joue sur l'atelier entier, donc à l'heure réelle : le worker n'en connaît pas d'autre."""
    return item.get_closest_marker("stack") is not None and SOURCE in item.stash
