# tué par : test_pipeline_calls_each_step_once
# message : attendu : sans argument, un flow
"""Les clients habituels sont lus à l'import, et la première étape ne les voit jamais."""

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
    _, test = churn.split_customers(customers)
    return churn.evaluate_model(model, test)


_ALL = churn.load_customers()


@flow
def churn_pipeline(path: Path = churn.DATA) -> dict[str, float]:
    """Lit, entraîne, mesure ; rend les mesures."""
    customers = load_customers(path) if path != churn.DATA else _ALL
    model = train_model(customers)
    return evaluate_model(model, customers)
