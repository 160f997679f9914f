# tué par : test_step_uses_only_what_it_receives
# message : lu aussi par churn_pipeline
"""Les tasks tournent pour rien : le flow relit le fichier et mesure de son côté."""

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


@flow
def churn_pipeline(path: Path = churn.DATA) -> dict[str, float]:
    """Lit, entraîne, mesure ; rend les mesures."""
    customers = load_customers(path)
    model = train_model(customers)
    evaluate_model(model, customers)
    train, test = churn.split_customers(churn.load_customers(path))
    return churn.evaluate_model(churn.train_model(train), test)
