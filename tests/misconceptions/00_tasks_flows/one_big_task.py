# tué par : test_pipeline_calls_each_step_once
# message : task runs : evaluate_model
"""Une seule task fait tout : on ne sait plus ce qui a échoué."""

from pathlib import Path

import pandas as pd
from prefect import flow, task

from atelier import churn


@task
def load_customers(path: Path) -> pd.DataFrame:
    """Lit les clients."""
    return churn.load_customers(path)


@task
def train_model(customers: pd.DataFrame):
    """Entraîne le modèle sur les trois quarts des clients."""
    train, _ = churn.split_customers(customers)
    return churn.train_model(train)


@task
def evaluate_model(model, customers: pd.DataFrame) -> dict[str, float]:
    """Mesure le modèle sur le quart qu'il n'a jamais vu."""
    train, test = churn.split_customers(churn.load_customers(customers) if isinstance(customers, Path) else customers)
    return churn.evaluate_model(model or churn.train_model(train), test)


@flow
def churn_pipeline(path: Path = churn.DATA) -> dict[str, float]:
    """Lit, entraîne, mesure ; rend les mesures."""
    return evaluate_model(None, path)

