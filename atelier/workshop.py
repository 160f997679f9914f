"""La porte de l'atelier : tout ce qu'un stub, une solution ou un notebook importe de lui, hors du fil rouge.

Chaque nom vient de sa pièce à la première demande : un kata Prefect n'importe pas MLflow.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # pour l'éditeur de l'étudiant, qui complète et documente
    import dagster as dg

    from atelier.machine.paths import state_dir
    from atelier.mlflow.model_server import model_server
    from atelier.mlflow.store import new_store, run_url, workshop_store
    from atelier.notebook.mlflow_transition import check
    from atelier.notebook.session import connect_mlflow
    from atelier.prefect.session import workshop_server
    from atelier.props.chat_server import visible_messages
    from atelier.props.flaky_source import OK, FlakySource

ROOMS = {
    "OK": "props.flaky_source",
    "FlakySource": "props.flaky_source",
    "check": "notebook.mlflow_transition",
    "connect_mlflow": "notebook.session",
    "model_server": "mlflow.model_server",
    "new_store": "mlflow.store",
    "run_url": "mlflow.store",
    "state_dir": "machine.paths",
    "visible_messages": "props.chat_server",
    "workshop_server": "prefect.session",
    "workshop_store": "mlflow.store",
}
__all__ = [
    "OK",
    "FlakySource",
    "check",
    "connect_mlflow",
    "materialize",
    "model_server",
    "new_store",
    "run_url",
    "state_dir",
    "visible_messages",
    "workshop_server",
    "workshop_store",
]


def __getattr__(name: str) -> Any:
    if name not in ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"atelier.{ROOMS[name]}"), name)


def materialize(defs: "dg.Definitions", *assets: str, config: Mapping[str, Mapping[str, object]] | None = None) -> None:
    """Pour lancer un kata Dagster à la main : matérialise ces assets, ou tous, puis raconte ce qui s'est passé.

    Runs et assets vont là où l'interface que lance `make up` les cherche ; ce qu'un asset note, dans son MLflow.
    """
    from atelier.dagster.session import materialize
    from atelier.mlflow.settings import prepare_environment

    prepare_environment()
    materialize(defs, *assets, config=config)
