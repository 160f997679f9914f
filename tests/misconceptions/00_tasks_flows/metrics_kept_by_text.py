# tué par : test_second_run_starts_from_scratch
# message : les mesures du premier run
"""Les mesures sont gardées pour chaque tableau, reconnu à son affichage."""

from pathlib import Path

import pandas as pd
from prefect import flow, task

from atelier import churn

_metrics = {}


# TODO 1 : faites une `task` de chacune des trois fonctions qui suivent.
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
    if str(customers) not in _metrics:
        _, test = churn.split_customers(customers)
        _metrics[str(customers)] = churn.evaluate_model(model, test)
    return _metrics[str(customers)]


# TODO 2 : faites un `flow` de cette fonction.
@flow
def churn_pipeline(path: Path = churn.DATA) -> dict[str, float]:
    """Lit, entraîne, mesure ; rend les mesures."""
    # TODO 3 : enchaînez les trois étapes. Chacune reçoit ce que rend la précédente.
    customers = load_customers(path)
    model = train_model(customers)
    return evaluate_model(model, customers)


if __name__ == "__main__":
    from atelier.workshop import workshop_server

    with workshop_server():
        print(churn_pipeline())
