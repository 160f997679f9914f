"""Kata 09 : garder une trace de chaque entraînement, et savoir d'où elle vient."""

import mlflow
import pandas as pd
from prefect import flow, task
from prefect.artifacts import create_link_artifact
from prefect.runtime import flow_run

from atelier import churn
from atelier.figures import confusion_matrix
from atelier.workshop import run_url


def log_inputs(train: pd.DataFrame, C: float) -> None:
    """Note, dans le run en cours, de quoi part l'entraînement."""
    # TODO 1 : le paramètre `C`, et les clients de `train` comme dataset « customers » (contexte : « training »).
    raise NotImplementedError("TODO 1")


def log_results(model, train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Note, dans le run en cours, ce que vaut le modèle : sur ce qu'il a vu, puis sur ce qu'il n'a jamais vu."""
    # TODO 2 : les mesures, `train_…` et `test_…`, puis la figure « confusion_matrix.png » du test.
    raise NotImplementedError("TODO 2")


def log_model(model, train: pd.DataFrame) -> None:
    """Range le modèle dans le run en cours, prêt à resservir."""
    features = churn.engineer_features(train)
    # TODO 3 : le Pipeline entier, nommé « model », avec trois lignes de `features` en exemple.
    raise NotImplementedError("TODO 3")


def link_runs(run: mlflow.ActiveRun) -> None:
    """Relie le run MLflow et le flow run Prefect : de chacun, on retrouve l'autre."""
    # TODO 4 : les tags `prefect.flow_run_id` et `prefect.flow_run_name` ; un lien (artifact) de clé « mlflow-run ».
    raise NotImplementedError("TODO 4")


@task
def train_candidate(customers: pd.DataFrame, C: float, experiment: str) -> str:
    """Entraîne un candidat dans un run MLflow qui n'est qu'à lui ; rend l'identifiant de ce run."""
    train, test = churn.split_customers(customers)
    # TODO 5 : ouvrez le run, dans cette expérience. Reliez, notez, entraînez, mesurez, rangez : tout s'y passe.
    raise NotImplementedError("TODO 5")


@flow
def compare_candidates(candidates: list[float], experiment: str = "churn") -> list[str]:
    """Entraîne les candidats en même temps ; rend les identifiants de leurs runs MLflow, dans l'ordre."""
    customers = churn.load_customers()
    futures = [train_candidate.submit(customers, C, experiment) for C in candidates]
    return [future.result() for future in futures]


if __name__ == "__main__":
    from atelier.workshop import workshop_server, workshop_store

    with workshop_server(), workshop_store():
        compare_candidates([0.001, 0.1, 10.0])
