# tué par : test_permanent_error_is_fatal_at_once
# message : 1 requête(s) en 1 essai(s), puis Failed
"""La condition est appelée au lieu d'être donnée : elle dit toujours non."""

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


@task(
    retries=3,
    retry_condition_fn=lambda task, run, state: False,
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

