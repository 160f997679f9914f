# tué par : test_only_the_task_starts_again
# message : puis un flow Completed
"""En panne, la task rend la dernière copie qu'elle a reçue, et ne se relance plus."""

import pandas as pd
import requests
from prefect import flow, task

from atelier import churn


def backoff_delays(retries: int, base: float = 10, cap: float = 60) -> list[float]:
    """Les attentes, en secondes, à placer avant chaque retry."""
    return [min(base * 2**rank, cap) for rank in range(retries)]


_last: pd.DataFrame | None = None


@task(
    retries=5,  # après n'importe quelle erreur : les trier, c'était le kata 01
    retry_delay_seconds=backoff_delays,
    retry_jitter_factor=0.5,
)
def load_customers(url: str) -> pd.DataFrame:
    """Télécharge les clients."""
    global _last
    try:
        response = requests.get(url, timeout=5)
        response.raise_for_status()
        _last = churn.parse_customers(response.text, source=url)
    except Exception:
        if _last is None:
            raise
    return _last


@flow
def nightly_load(url: str) -> int:
    """Télécharge les clients et les compte."""
    return len(load_customers(url))
