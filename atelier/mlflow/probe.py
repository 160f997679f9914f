"""Ce que MLflow a enregistré pendant un test, et ce qu'il faut remettre en place entre deux tests."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import mlflow
import mlflow.pyfunc
import mlflow.tracking.fluent
from mlflow.entities import DatasetInput, Run
from mlflow.utils import autologging_utils

from atelier.machine.identity import home_id, is_running, process_id
from atelier.mlflow.store import Store, run_url
from atelier.sandbox.mistakes import StudentMistake

KATA_TAG, HOME_TAG, PROCESS_TAG = "atelier.kata", "atelier.home", "atelier.process"
# Pour ses sous-processus, MLflow note dans l'environnement ce qu'on lui a dit : le test suivant en hériterait.
WRITTEN_BY_MLFLOW = ("MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID", "MLFLOW_REGISTRY_URI")


@dataclass(frozen=True)
class Dataset:
    """Un dataset noté dans un run ; `digest` est l'empreinte que MLflow calcule du contenu."""

    name: str
    digest: str
    rows: int
    context: str


@dataclass(frozen=True)
class TrackedRun:
    """Un run tel que MLflow le garde. Celui d'un run encore ouvert date de son départ : `read()` le relit."""

    run: Run

    @property
    def id(self) -> str:
        """L'identifiant du run."""
        return self.run.info.run_id

    @property
    def name(self) -> str:
        """Le nom du run."""
        return self.run.info.run_name

    @property
    def status(self) -> str:
        """L'état du run : RUNNING, FINISHED, FAILED…"""
        return self.run.info.status

    @property
    def params(self) -> dict[str, str]:
        """Les paramètres : MLflow en fait des textes."""
        return self.run.data.params

    @property
    def metrics(self) -> dict[str, float]:
        """Les dernières valeurs des mesures."""
        return self.run.data.metrics

    @property
    def tags(self) -> dict[str, str]:
        """Les tags, sans ceux que MLflow pose lui-même."""
        return {name: value for name, value in self.run.data.tags.items() if not name.startswith("mlflow.")}

    @property
    def datasets(self) -> list[Dataset]:
        """Les datasets notés, et leur rôle."""
        return [_dataset(item) for item in self.run.inputs.dataset_inputs]

    @property
    def models(self) -> list[str]:
        """Les identifiants des modèles rangés dans le run."""
        return [output.model_id for output in self.run.outputs.model_outputs]

    @property
    def url(self) -> str:
        """L'adresse de sa page."""
        return run_url(self.run)

    def read(self) -> "TrackedRun":
        """Le même run, tel que MLflow le garde à l'instant."""
        return TrackedRun(mlflow.get_run(self.id))

    def files(self) -> list[str]:
        """Les fichiers joints."""
        return [file.path for file in mlflow.MlflowClient().list_artifacts(self.id)]

    def file(self, name: str) -> bytes:
        """Le contenu d'un fichier joint. Lève `StudentMistake` s'il n'y est pas."""
        try:
            path = mlflow.artifacts.download_artifacts(run_id=self.id, artifact_path=name)
        except (mlflow.MlflowException, OSError) as error:
            expected = f"un fichier « {name} » joint au run"
            raise StudentMistake(expected=expected, got=self._told_files()) from error
        return Path(path).read_bytes()

    def model(self, name: str) -> mlflow.pyfunc.PyFuncModel:
        """Le modèle de ce nom rangé dans le run, rechargé. Lève `StudentMistake` s'il n'y est pas."""
        try:
            return mlflow.pyfunc.load_model(f"runs:/{self.id}/{name}")
        except (mlflow.MlflowException, OSError) as error:
            names = ", ".join(mlflow.get_logged_model(id).name for id in self.read().models)
            expected = f"un modèle « {name} » rangé dans le run, que MLflow sait recharger"
            raise StudentMistake(expected, got=f"modèles : {names or 'aucun'} ; {self._told_files()}") from error

    def _told_files(self) -> str:
        return f"fichiers joints : {', '.join(self.files()) or 'aucun'}"


@dataclass(frozen=True)
class Experiment:
    """L'expérience MLflow où un test fait écrire le kata, son store, et l'heure depuis laquelle elle est à ce test.

    Chaque lecture revient d'abord à ce store : le kata a pu en choisir un autre.
    """

    name: str
    id: str
    uri: str
    since: int = 0

    def runs(self) -> list[TrackedRun]:
        """Les runs du test, dans l'ordre de leur départ."""
        mlflow.set_tracking_uri(self.uri)
        return _runs_since(self.since, [self.id])

    def everywhere(self) -> list[TrackedRun]:
        """Les runs du test, dans quelque expérience que ce soit."""
        mlflow.set_tracking_uri(self.uri)
        return _runs_since(self.since, [experiment.experiment_id for experiment in mlflow.search_experiments()])

    def elsewhere(self) -> list[str]:
        """Les autres expériences qui ont reçu un run pendant le test : l'étudiant s'est peut-être trompé de porte."""
        runs = self.everywhere()
        names = {experiment.experiment_id: experiment.name for experiment in mlflow.search_experiments()}
        ids = [found.run.info.experiment_id for found in runs]
        return [names[id] for id in dict.fromkeys(ids) if id != self.id]

    @contextmanager
    def open_run(self) -> Iterator[TrackedRun]:
        """Un run ouvert pour le test : de quoi appeler une fonction qui écrit dans le run en cours."""
        with mlflow.start_run(experiment_id=self.id) as run:
            yield TrackedRun(run)
            mlflow.set_tracking_uri(self.uri)


def new_experiment(folder: str) -> Experiment:
    """Une expérience pour les tests d'un kata ; celles des lancements précédents vont à la corbeille de MLflow."""
    client = mlflow.MlflowClient()
    # Celles des autres, sur un serveur partagé, et celles qui ne disent pas de qui elles sont, restent où elles sont.
    ours = f"tags.`{KATA_TAG}` = '{folder}' AND tags.`{HOME_TAG}` = '{home_id()}'"
    for former in client.search_experiments(filter_string=ours):
        # Un autre pytest joue peut-être ce kata en ce moment.
        if not is_running(former.tags[PROCESS_TAG]):
            client.delete_experiment(former.experiment_id)
    name = f"{folder} tests {datetime.now():%Y-%m-%d %H:%M:%S.%f}"
    tags = {KATA_TAG: folder, HOME_TAG: home_id(), PROCESS_TAG: process_id()}
    return Experiment(name, client.create_experiment(name, tags=tags), mlflow.get_tracking_uri())


@contextmanager
def clean_mlflow(store: Store) -> Iterator[None]:
    """Rend MLflow tel qu'au départ, avant le test et après : adresse, expérience, runs ouverts et autolog."""
    _reset(store)
    try:
        yield
    finally:
        _reset(store)


def refuse_open_runs() -> None:
    """Lève `StudentMistake` si le test laisse un run ouvert, dans ce thread ou dans un autre."""
    if runs := _open_runs():
        names = ", ".join(f"« {run.info.run_name} »" for run in runs)
        raise StudentMistake(
            expected="chaque run MLflow fermé quand la fonction qui l'a ouvert se termine",
            got=f"run resté ouvert (RUNNING) : {names}",
        )


def _runs_since(since: int, experiments: list[str]) -> list[TrackedRun]:
    found = mlflow.MlflowClient().search_runs(
        experiments, f"attributes.start_time >= {since}", order_by=["attributes.start_time ASC"]
    )
    return [TrackedRun(run) for run in found]


def _dataset(item: DatasetInput) -> Dataset:
    rows = json.loads(item.dataset.profile or "{}").get("num_rows", 0)
    context = next((tag.value for tag in item.tags if tag.key == "mlflow.data.context"), "")
    return Dataset(item.dataset.name, item.dataset.digest, rows, context)


def _open_runs() -> list[mlflow.ActiveRun]:
    stacks = mlflow.tracking.fluent._active_run_stack.get_all_thread_values()
    return [run for stack in stacks.values() for run in stack]


def _reset(store: Store) -> None:
    mlflow.set_tracking_uri(store.uri)
    mlflow.set_registry_uri("")
    for run in _open_runs():
        with suppress(mlflow.MlflowException):  # il est peut-être d'un autre store
            mlflow.MlflowClient().set_terminated(run.info.run_id, "FAILED")
    # Ici, aucune fonction publique : elles ne voient que le thread courant, ou ne savent pas revenir en arrière.
    mlflow.tracking.fluent._active_run_stack.reset()
    mlflow.tracking.fluent._active_experiment_id = None
    for name in WRITTEN_BY_MLFLOW:
        os.environ.pop(name, None)
    for name, settings in autologging_utils.AUTOLOGGING_INTEGRATIONS.items():
        if settings:
            autologging_utils.revert_patches(name)
            autologging_utils.AUTOLOGGING_INTEGRATIONS[name] = {}
