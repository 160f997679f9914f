# tué par : test_step_uses_only_what_it_receives
# message : lu aussi par evaluate_model
"""La mesure relit le fichier, dont le chemin est resté dans une globale."""

from pathlib import Path

import pandas as pd
from prefect import flow, task

from atelier import churn


# TODO 1 : faites une `task` de chacune des trois fonctions qui suivent.
@task
def load_customers(path: Path) -> pd.DataFrame:
    """Lit les clients."""
    global SOURCE
    SOURCE = path
    return churn.load_customers(path)


@task
def train_model(customers: pd.DataFrame):
    """Entraîne le modèle sur les trois quarts des clients."""
    train, _ = churn.split_customers(customers)
    return churn.train_model(train)


@task
def evaluate_model(model, customers: pd.DataFrame) -> dict[str, float]:
    """Mesure le modèle sur le quart qu'il n'a jamais vu."""
    _, test = churn.split_customers(churn.load_customers(SOURCE))
    return churn.evaluate_model(model, test)


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
