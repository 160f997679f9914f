"""Ce qui garde l'atelier à l'écart de la vie de l'utilisateur : ni télémétrie, ni ses comptes, ni ses réglages."""

import os
from collections.abc import Mapping

# Prefect, MLflow et d'autres l'entendent ; MLflow n'entend que ce mot-là.
DO_NOT_TRACK = {"DO_NOT_TRACK": "true"}


def without_settings(environment: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    """Cet environnement, sans les réglages dont le nom commence ainsi."""
    return {name: value for name, value in environment.items() if not name.startswith(prefixes)}


def forget_settings(*prefixes: str) -> None:
    """Retire de l'environnement de ce processus les réglages dont le nom commence ainsi."""
    become(without_settings(os.environ, *prefixes))


def become(environment: Mapping[str, str]) -> None:
    """Fait de cet environnement celui de ce processus."""
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ |= environment
