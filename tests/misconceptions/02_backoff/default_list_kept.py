# tué par : test_delays_double_up_to_the_cap
# message : la fonction retient les appels d'avant
"""Une liste par défaut, que chaque appel allonge."""

import pandas as pd
import requests
from prefect import flow, task

from atelier import churn


def backoff_delays(retries: int, base: float = 10, cap: float = 60, delays: list[float] = []) -> list[float]:
    """Les attentes, en secondes, à placer avant chaque retry."""
    # TODO 1 : partez de `base`, doublez d'une attente à la suivante, sans jamais dépasser `cap`.
    for rank in range(retries):
        delays.append(min(base * 2**rank, cap))
    return delays


@task(
    retries=5,  # après n'importe quelle erreur : les trier, c'était le kata 01
    # TODO 2 : confiez ces attentes à Prefect.
    retry_delay_seconds=backoff_delays,
    # TODO 3 : faites-les varier au hasard, en les allongeant de moitié au plus.
    retry_jitter_factor=0.5,
)
def load_customers(url: str) -> pd.DataFrame:
    """Télécharge les clients."""
    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return churn.parse_customers(response.text, source=url)


@flow
def nightly_load(url: str) -> int:
    """Télécharge les clients et les compte."""
    return len(load_customers(url))


if __name__ == "__main__":
    from atelier.workshop import OK, FlakySource, workshop_server

    with workshop_server(), FlakySource([503, 503, OK]) as source:
        print("La source tombe deux fois en panne. Avec vos attentes, comptez une demi-minute.")
        nightly_load(source.url)
