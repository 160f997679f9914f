# tué par : test_second_run_starts_from_scratch
# message : les mesures du second run
"""Les mesures sont gardées sous le nom du fichier."""

from pathlib import Path

import pandas as pd
from prefect import flow, task

from atelier import churn

measures_by_path = {}


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
    _, test = churn.split_customers(customers)
    return churn.evaluate_model(model, test)


@flow
def churn_pipeline(path: Path = churn.DATA) -> dict[str, float]:
    """Lit, entraîne, mesure ; rend les mesures."""
    customers = load_customers(path)
    model = train_model(customers)
    return measures_by_path.setdefault(path, evaluate_model(model, customers))
