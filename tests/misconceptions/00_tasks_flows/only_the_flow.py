# tué par : test_pipeline_calls_each_step_once
# message : task runs : aucun (ce n'est pas encore une task, TODO 1
"""Seul le flow est décoré : il aboutit, mais Prefect ne voit aucune étape."""

from pathlib import Path

import pandas as pd
from prefect import flow, task

from atelier import churn


def load_customers(path: Path) -> pd.DataFrame:
    """Lit les clients."""
    return churn.load_customers(path)


def train_model(customers: pd.DataFrame):
    """Entraîne le modèle sur les trois quarts des clients."""
    train, _ = churn.split_customers(customers)
    return churn.train_model(train)


def evaluate_model(model, customers: pd.DataFrame) -> dict[str, float]:
    """Mesure le modèle sur le quart qu'il n'a jamais vu."""
    _, test = churn.split_customers(customers)
    return churn.evaluate_model(model, test)


@flow
def churn_pipeline(path: Path = churn.DATA) -> dict[str, float]:
    """Lit, entraîne, mesure ; rend les mesures."""
    customers = load_customers(path)
    model = train_model(customers)
    return evaluate_model(model, customers)

