# tué par : test_each_candidate_has_its_own_run
# message : un « function » n'a pas de « submit »
"""Une fonction ordinaire, que `submit` ne connaît pas."""

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
    mlflow.log_param("C", C)
    mlflow.log_input(mlflow.data.from_pandas(train, name="customers"), context="training")


def log_results(model, train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Note, dans le run en cours, ce que vaut le modèle : sur ce qu'il a vu, puis sur ce qu'il n'a jamais vu."""
    measured = {"train": churn.evaluate_model(model, train), "test": churn.evaluate_model(model, test)}
    mlflow.log_metrics({f"{split}_{name}": measured[split][name] for split in measured for name in ("accuracy", "auc")})
    mlflow.log_figure(confusion_matrix(model, test), "confusion_matrix.png")


def log_model(model, train: pd.DataFrame) -> None:
    """Range le modèle dans le run en cours, prêt à resservir."""
    features = churn.engineer_features(train)
    mlflow.sklearn.log_model(model, name="model", input_example=features.head(3))


def link_runs(run: mlflow.ActiveRun) -> None:
    """Relie le run MLflow et le flow run Prefect : de chacun, on retrouve l'autre."""
    mlflow.set_tags({"prefect.flow_run_id": flow_run.id, "prefect.flow_run_name": flow_run.name})
    create_link_artifact(run_url(run), key="mlflow-run")


def train_candidate(customers: pd.DataFrame, C: float, experiment: str) -> str:
    """Entraîne un candidat dans un run MLflow qui n'est qu'à lui ; rend l'identifiant de ce run."""
    train, test = churn.split_customers(customers)
    mlflow.set_experiment(experiment)
    with mlflow.start_run(run_name=f"C={C}") as run:
        link_runs(run)
        log_inputs(train, C)
        model = churn.train_model(train, C=C)
        log_results(model, train, test)
        log_model(model, train)
    return run.info.run_id


@flow
def compare_candidates(candidates: list[float], experiment: str = "churn") -> list[str]:
    """Entraîne les candidats en même temps ; rend les identifiants de leurs runs MLflow, dans l'ordre."""
    customers = churn.load_customers()
    futures = [train_candidate.submit(customers, C, experiment) for C in candidates]
    return [future.result() for future in futures]
