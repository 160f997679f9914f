# tué par : test_prefect_does_the_waiting
# message : de votre code : [
"""La task tourne en rond jusqu'à ce que l'heure passe."""

import time

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
    until = time.monotonic() + 0.05
    for _ in range(5_000_000):
        if time.monotonic() >= until:
            break
    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return churn.parse_customers(response.text, source=url)


@flow
def nightly_load(url: str) -> int:
    """Télécharge les clients et les compte."""
    return len(load_customers(url))
