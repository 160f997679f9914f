"""Le worker de Prefect, à qui les secrets parviennent en route.

Chaque flow run hérite de l'environnement du worker : ce qui change dans `.env`, ou ce qu'un codespace ne donne qu'après
coup, doit y arriver sans qu'on le relance.
"""

import os
import threading
import time

from atelier.machine import secret_settings
from atelier.machine.errors import EnvironmentProblem

POLL_SECONDS = 2.0


def main() -> None:
    """Prend les options de `prefect`."""
    from prefect.cli import app

    threading.Thread(target=_follow_secrets, args=(set(os.environ),), daemon=True).start()
    app()


def refresh_secrets(fixed: set[str]) -> None:
    """Met l'environnement à jour ; ce que l'utilisateur y a mis lui-même (`fixed`) l'emporte."""
    try:
        secrets = secret_settings.given()
    except (OSError, ValueError, EnvironmentProblem):
        return  # illisible pour l'instant : on garde ce qu'on sait
    for name in set(secret_settings.NAMES) - fixed:
        if name in secrets:
            os.environ[name] = secrets[name]
        else:
            os.environ.pop(name, None)


def _follow_secrets(fixed: set[str]) -> None:
    while True:
        refresh_secrets(fixed)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
