# tué par : test_every_error_class_is_sorted
# message : is_transient rend
"""Une erreur HTTP est reconnue au mot « HTTPError » dans son affichage, où son texte peut l'avoir mis."""

import pandas as pd
import requests
from prefect import flow, task

from atelier import churn

TIMEOUT_SECONDS = 5


def is_transient(error: Exception) -> bool:
    """Dit si la même requête, refaite plus tard, peut aboutir."""
    # TODO 1 : dites « oui » aux pannes de réseau et aux codes 429 et 5xx, « non » à tout le reste.
    if "HTTPError" in repr(error):
        return error.response is not None and (error.response.status_code == 429 or error.response.status_code >= 500)
    return isinstance(error, requests.ConnectionError | requests.Timeout)


def worth_retrying(task, task_run, state) -> bool:
    """La forme qu'attend Prefect : il passe l'état de l'échec, qui contient l'erreur."""
    return is_transient(state.result(raise_on_failure=False))


@task(
    # TODO 2 : après un échec, relancez cette task 3 fois au plus.
    retries=3,
    # TODO 3 : et seulement quand `worth_retrying` le dit.
    retry_condition_fn=worth_retrying,
)
def load_customers(url: str) -> pd.DataFrame:
    """Télécharge les clients."""
    response = requests.get(url, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    return churn.parse_customers(response.text, source=url)


@task
def train_model(customers: pd.DataFrame):
    """Entraîne le modèle : long et coûteux, à ne pas refaire pour rien."""
    return churn.train_model(customers)


@flow
def churn_pipeline(url: str):
    """Télécharge, puis entraîne."""
    return train_model(load_customers(url))


if __name__ == "__main__":
    from atelier.workshop import OK, FlakySource, workshop_server

    with workshop_server(), FlakySource([503, 503, OK]) as source:
        churn_pipeline(source.url)
