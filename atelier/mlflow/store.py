"""Où vont les runs MLflow des katas : au serveur qui répond, sinon dans une base SQLite de `.atelier/`.

Ce module n'importe pas MLflow : savoir où écrire ne doit coûter que quelques millisecondes.
"""

import io
import os
import shutil
import sqlite3
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from atelier.machine.addresses import browser_url
from atelier.machine.errors import EnvironmentProblem
from atelier.machine.imports import import_modules
from atelier.machine.packages import installed_version
from atelier.machine.paths import shown
from atelier.machine.web import fetch
from atelier.mlflow.settings import MLFLOW, prepare_environment, public_urls, versioned_home

if TYPE_CHECKING:
    import mlflow

START_SECONDS = 120
# Sur deux cœurs occupés, un serveur sain met parfois plusieurs secondes à répondre.
PATIENCE_SECONDS = 10.0
# Ce que MLflow importe au premier run, dans le thread qui le lance, et que deux threads feraient à la fois.
MODULES = (
    "mlflow",
    "mlflow.sklearn",
    "mlflow.pyfunc.scoring_server",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracing.processor.base_mlflow",
    "sqlalchemy.dialects.sqlite",
    "narwhals._pandas_like.namespace",
    "skops.io",
    "git",
    "IPython",
    "sklearn.linear_model",
    "sklearn.metrics",
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
)
# À l'intention des auteurs de MLflow, ou de qui a des colonnes entières à trous : rien qui serve ici, et six lignes.
UNHELPFUL_WARNINGS = (
    "Hint. Inferred schema contains integer column",
    "Starting with pandas version 4.0 all arguments of all",
    "Operation with range is deprecated",
)


@dataclass(frozen=True)
class Store:
    """Où MLflow écrit : `uri` est le serveur ou la base ; `artifacts`, le dossier des fichiers si c'est une base."""

    uri: str
    artifacts: Path | None = None

    @property
    def has_interface(self) -> bool:
        """Dit si un serveur montre déjà les runs."""
        return self.artifacts is None


def preload() -> None:
    """Fait d'avance ce qui ne coûte que la première fois : imports, inventaire des paquets, polices d'une figure."""
    if all(name in sys.modules for name in MODULES):
        return  # dans un processus préchauffé, par exemple
    import_modules(*MODULES)
    from matplotlib.figure import Figure
    from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

    warn_dependency_requirement_mismatches(["mlflow"])
    figure = Figure()
    figure.text(0, 0, "C")
    figure.savefig(io.BytesIO())


def running_server() -> Store | None:
    """Le serveur MLflow déjà en marche : celui de `MLFLOW_TRACKING_URI`, sinon celui du port de l'atelier."""
    return next((Store(url) for url in public_urls() if _same_version(url) and is_ready(url)), None)


def is_ready(url: str, timeout: float = 2.0) -> bool:
    """Dit si un serveur MLflow et sa base répondent ; sa page `/health` ne prouverait ni l'un ni l'autre."""
    return fetch(f"{url}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout) is not None


def still_answers(store: Store) -> bool:
    """Dit si ce serveur, qui a répondu, répond encore ; il a le droit d'être lent."""
    return not store.has_interface or is_ready(store.uri, PATIENCE_SECONDS)


def new_store(folder: Path) -> Store:
    """Une base neuve dans ce dossier : la copie d'une base déjà migrée, car migrer prend de une à sept secondes."""
    database, artifacts = folder / "mlflow.db", folder / "artifacts"
    shutil.copyfile(_template(), database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", [f"{artifacts.as_uri()}/0"])
    return _in(folder)


def kept_store() -> Store:
    """La base où vont les runs d'un kata lancé à la main, s'il n'y a pas de serveur. Gardée d'une fois sur l'autre."""
    folder = versioned_home()
    with _locked(folder / "mlflow.lock"):
        return _in(folder) if (folder / "mlflow.db").exists() else new_store(folder)


@contextmanager
def connected(store: Store) -> Iterator[None]:
    """Branche MLflow sur ce store, le temps du bloc, sans laisser de trace dans l'environnement."""
    preload()
    import mlflow

    settings = {
        "MLFLOW_TRACKING_URI": store.uri,
        # Sinon, une expérience créée sur une base range ses fichiers dans le dossier courant, sous `mlruns`.
        "_MLFLOW_SERVER_ARTIFACT_ROOT": (store.artifacts or versioned_home() / "artifacts").as_uri(),
    }
    with patch.dict(os.environ, settings), _without_inference(), _outside_databricks(), _one_dataset_at_a_time():
        mlflow.set_tracking_uri(store.uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(None)


@contextmanager
def workshop_store() -> Iterator[None]:
    """Pour lancer un kata à la main : ses runs vont au serveur qui répond, sinon dans une base ; il dit où regarder."""
    prepare_environment()
    for message in UNHELPFUL_WARNINGS:
        warnings.filterwarnings("ignore", message)
    store = running_server() or kept_store()
    with connected(store):
        yield
        experiment = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if store.has_interface:
        print(f"Vos runs MLflow : {runs_url(store, experiment)}")
    else:
        print(f"Vos runs MLflow : dans {shown(versioned_home())}. Pour les voir :\n  {ui_command(store)}")


def ui_command(store: Store) -> str:
    """La commande qui montre une base à l'adresse habituelle ; un seul processus, là où MLflow en lance quatre."""
    return f"mlflow server --workers 1 --backend-store-uri {store.uri}"


def runs_url(store: Store, experiment: str | None) -> str:
    """L'adresse de la liste des runs d'une expérience : sa page d'accueil, elle, ne parle que d'IA générative."""
    return f"{browser_url(store.uri)}/#/experiments" + (f"/{experiment}/runs" if experiment else "")


def run_url(run: "mlflow.ActiveRun") -> str:
    """L'adresse de la page d'un run, telle que le navigateur l'atteint (codespace compris)."""
    import mlflow

    uri = mlflow.get_tracking_uri()
    base = browser_url(uri if uri.startswith("http") else MLFLOW.local)
    return f"{base}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def _in(folder: Path) -> Store:
    return Store(f"sqlite:///{(folder / 'mlflow.db').as_posix()}", folder / "artifacts")


def _template() -> Path:
    """Une base vide et migrée, faite une fois par version."""
    template = versioned_home() / "template.db"
    if not template.exists():
        with _locked(template.with_suffix(".lock")):
            _migrate(template)
    return template


def _migrate(template: Path) -> None:
    if template.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    draft = template.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"sqlite:///{draft.as_posix()}", template.parent.as_uri())
    store.engine.dispose()
    with closing(sqlite3.connect(draft)) as connection:
        # Deux tasks écrivent en même temps : elles s'attendent moins.
        connection.execute("PRAGMA journal_mode = WAL")
    draft.replace(template)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(file, timeout=START_SECONDS):
            yield
    except Timeout as error:
        raise EnvironmentProblem("une autre préparation de la base MLflow ne finit pas", "relancez pytest") from error


@contextmanager
def _without_inference() -> Iterator[None]:
    """Fait noter à MLflow les paquets qu'il donne quand il renonce à les deviner : deviner prend cinq secondes."""
    import mlflow.models

    def give_up(model_uri: str, flavor: str, fallback: list[str] | None = None, **_: Any) -> list[str]:
        return fallback or []

    with patch.object(mlflow.models, "infer_pip_requirements", give_up):
        yield


@contextmanager
def _outside_databricks() -> Iterator[None]:
    """À chaque requête, MLflow cherche sur le disque s'il est chez Databricks : le quart du temps d'un kata."""
    from mlflow.tracking.request_header.databricks_request_header_provider import DatabricksRequestHeaderProvider

    with patch.object(DatabricksRequestHeaderProvider, "in_context", return_value=False):
        yield


@contextmanager
def _one_dataset_at_a_time() -> Iterator[None]:
    """Deux threads qui notent ensemble un dataset nouveau échouent, une fois sur deux (MLflow 3.17) : l'un attend."""
    from mlflow import MlflowClient

    lock, log_inputs = threading.Lock(), MlflowClient.log_inputs

    def log_inputs_alone(*arguments: Any, **keywords: Any) -> None:
        with lock:
            log_inputs(*arguments, **keywords)

    with patch.object(MlflowClient, "log_inputs", log_inputs_alone):
        yield


def _same_version(url: str) -> bool:
    theirs = (fetch(f"{url}/version", timeout=2.0) or b"").decode(errors="replace").strip()
    return theirs.split(".")[:2] == installed_version("mlflow").split(".")[:2]
