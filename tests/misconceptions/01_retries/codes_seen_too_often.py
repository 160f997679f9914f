# tué par : test_every_status_code_is_sorted
# message : la réponse était d'abord juste
"""Un code déjà vu trois fois n'est plus passager."""

import pandas as pd
import requests
from prefect import flow, task

from atelier import churn

TIMEOUT_SECONDS = 5
_COUNT = {}


def is_transient(error: Exception) -> bool:
    """Dit si la même requête, refaite plus tard, peut aboutir."""
    if isinstance(error, requests.HTTPError):
        code = error.response.status_code
        _COUNT[code] = _COUNT.get(code, 0) + 1
        return (code == 429 or code >= 500) and _COUNT[code] <= 3
    return isinstance(error, requests.ConnectionError | requests.Timeout)


def worth_retrying(task, task_run, state) -> bool:
    """La forme qu'attend Prefect : il passe l'état de l'échec, qui contient l'erreur."""
    return is_transient(state.result(raise_on_failure=False))


@task(
    retries=3,
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
