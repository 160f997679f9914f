# tué par : test_each_step_lets_its_errors_through
# message : un fichier mal rempli
"""La lecture retire les lignes fautives au lieu d'échouer."""

from pathlib import Path

import pandas as pd
from prefect import flow, task

from atelier import churn


@task
def load_customers(path: Path) -> pd.DataFrame:
    """Lit les clients."""
    try:
        return churn.load_customers(path)
    except churn.DataError:
        if not Path(path).exists():
            raise
        return pd.read_csv(path).dropna()


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
    return evaluate_model(model, customers)
