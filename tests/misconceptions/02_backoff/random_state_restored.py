# tué par : test_clients_do_not_come_back_together
# message : deux clients attendent des temps différents
"""Le flow remet le hasard dans l'état où il était."""

import random

import pandas as pd
import requests
from prefect import flow, task

from atelier import churn


def backoff_delays(retries: int, base: float = 10, cap: float = 60) -> list[float]:
    """Les attentes, en secondes, à placer avant chaque retry."""
    return [min(base * 2**rank, cap) for rank in range(retries)]


@task(
    retries=5,  # après n'importe quelle erreur : les trier, c'était le kata 01
    retry_delay_seconds=backoff_delays,
    retry_jitter_factor=0.5,
)
def load_customers(url: str) -> pd.DataFrame:
    """Télécharge les clients."""
    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return churn.parse_customers(response.text, source=url)


_STATE = random.getstate()


@flow
def nightly_load(url: str) -> int:
    """Télécharge les clients et les compte."""
    random.setstate(_STATE)
    return len(load_customers(url))
