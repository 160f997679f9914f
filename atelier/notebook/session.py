"""Ce dont un notebook a besoin : MLflow branché au bon endroit."""

import atexit
import os
import warnings
from contextlib import ExitStack

from atelier.machine.resources import skipped_asserts
from atelier.mlflow.settings import prepare_environment
from atelier.mlflow.store import (
    UNHELPFUL_WARNINGS,
    connected,
    kept_store,
    running_server,
    runs_url,
    ui_command,
)

# Du rouge qui n'apprend rien ici, à l'intention des auteurs de ces bibliothèques.
NOISE = (*UNHELPFUL_WARNINGS, "IProgress not found", "`y_pred` was renamed")
_connection = ExitStack()
atexit.register(_connection.close)  # tant que MLflow peut encore s'importer


def connect_mlflow(experiment: str) -> None:
    """Branche MLflow, jusqu'à la fin du notebook, sur le serveur qui répond, sinon sur une base ; dit où regarder."""
    if skipped := skipped_asserts():
        raise SystemExit(f"{skipped}\nPour réparer : {skipped.repair}")
    _connection.close()  # la cellule a pu être exécutée deux fois
    figures = os.environ.get("MPLBACKEND")
    prepare_environment()
    if figures:
        os.environ["MPLBACKEND"] = figures  # les figures restent dans le notebook
    for message in NOISE:
        warnings.filterwarnings("ignore", message)
    store = running_server() or kept_store()
    _connection.enter_context(connected(store))
    import mlflow

    experiment_id = mlflow.set_experiment(experiment).experiment_id
    if store.has_interface:
        print(f"Vos runs s'affichent ici : {runs_url(store, experiment_id)}")
    else:
        print("Aucun serveur MLflow ne répond : vos runs vont dans une base, sur cette machine.")
        print(f"Pour les voir, dans un terminal :\n  {ui_command(store)}")
