# tué par : test_prefect_does_the_waiting
# message : attentes de Prefect : [] s, de votre code : [10, 20
"""Une boucle et des `time.sleep` à la main : Prefect ne voit rien."""

import time

import pandas as pd
import requests
from prefect import flow, task

from atelier import churn


def backoff_delays(retries: int, base: float = 10, cap: float = 60) -> list[float]:
    """Les attentes, en secondes, à placer avant chaque retry."""
    return [min(base * 2**rank, cap) for rank in range(retries)]


@task
def load_customers(url: str) -> pd.DataFrame:
    """Télécharge les clients."""
    for delay in backoff_delays(5):
        try:
            return _download(url)
        except Exception:
            time.sleep(delay)
    return _download(url)


def _download(url: str) -> pd.DataFrame:
    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return churn.parse_customers(response.text, source=url)


@flow
def nightly_load(url: str) -> int:
    """Télécharge les clients et les compte."""
    return len(load_customers(url))
