# tué par : test_data_passes_from_step_to_step
# message : obtenu
"""Les données passent par une variable globale : plus de flèches dans le graphe."""

from pathlib import Path

import pandas as pd
from prefect import flow, task

from atelier import churn


@task
def load_customers(path: Path) -> pd.DataFrame:
    """Lit les clients."""
    return churn.load_customers(path)


@task
def train_model(customers=None):
    """Entraîne le modèle sur les trois quarts des clients."""
    customers = shared if customers is None else customers
    train, _ = churn.split_customers(customers)
    return churn.train_model(train)


@task
def evaluate_model(model, customers=None) -> dict[str, float]:
    """Mesure le modèle sur le quart qu'il n'a jamais vu."""
    customers = shared if customers is None else customers
    _, test = churn.split_customers(customers)
    return churn.evaluate_model(model, test)


@flow
def churn_pipeline(path: Path = churn.DATA) -> dict[str, float]:
    """Lit, entraîne, mesure ; rend les mesures."""
    global shared
    shared = load_customers(path)
    model = train_model()
    return evaluate_model(model)

