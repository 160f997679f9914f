# tué par : test_three_retries_then_the_task_fails
# message : essais comptés : [1]
"""Une boucle `try` à la main : Prefect ne voit qu'un essai."""

import pandas as pd
import requests
from prefect import flow, task

from atelier import churn

TIMEOUT_SECONDS = 5


def is_transient(error: Exception) -> bool:
    """Dit si la même requête, refaite plus tard, peut aboutir."""
    if isinstance(error, requests.HTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(error, requests.ConnectionError | requests.Timeout)


def worth_retrying(task, task_run, state) -> bool:
    """La forme qu'attend Prefect : il passe l'état de l'échec, qui contient l'erreur."""
    return is_transient(state.result(raise_on_failure=False))


@task
def load_customers(url: str) -> pd.DataFrame:
    """Télécharge les clients."""
    for remaining in (3, 2, 1, 0):
        try:
            response = requests.get(url, timeout=TIMEOUT_SECONDS)
            response.raise_for_status()
            return churn.parse_customers(response.text, source=url)
        except Exception as error:
            if not remaining or not is_transient(error):
                raise
    raise AssertionError


@task
def train_model(customers: pd.DataFrame):
    """Entraîne le modèle : long et coûteux, à ne pas refaire pour rien."""
    return churn.train_model(customers)


@flow
def churn_pipeline(url: str):
    """Télécharge, puis entraîne."""
    return train_model(load_customers(url))

