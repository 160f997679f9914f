"""Branche Prefect sur le serveur de l'atelier, sans toucher aux réglages de l'utilisateur."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from atelier.errors import EnvironmentProblem
from atelier.paths import state_dir
from atelier.prefect_server import Server, ensure_server, ui_url


def prepare_environment() -> None:
    """À appeler avant `import prefect` : profils, clés et fichiers restent dans `.atelier/`.

    Prefect lit l'environnement, le `.env` du dossier courant et le profil de l'utilisateur : l'environnement
    l'emporte.
    """
    home = state_dir() / "prefect" / "client"
    os.environ.pop("PREFECT_API_KEY", None)
    os.environ |= {
        "DO_NOT_TRACK": "true",
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_LOGGING_LEVEL": os.environ.get("PREFECT_LOGGING_LEVEL", "CRITICAL"),
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }


@contextmanager
def connected(server: Server, storage: Path) -> Iterator[None]:
    """Règle Prefect sur ce serveur et sur ce dossier de résultats, le temps du bloc."""
    from prefect import settings

    with settings.temporary_settings(
        {
            settings.PREFECT_API_URL: server.url,
            settings.PREFECT_API_KEY: None,
            # Les adresses que Prefect affiche, telles que le navigateur les atteint.
            settings.PREFECT_UI_URL: ui_url(server.url),
            settings.PREFECT_HOME: state_dir() / "prefect" / "client",
            settings.PREFECT_LOCAL_STORAGE_PATH: storage,
            settings.PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False,
            # Chaque flow run attendrait sinon jusqu'à une seconde, à sa fin, le dernier battement.
            settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        }
    ):
        yield


@contextmanager
def one_tls_context() -> Iterator[None]:
    """Partage un seul contexte TLS entre les clients de Prefect : le refaire à chaque run coûte 45 ms, pour du HTTP."""
    import prefect.client.orchestration

    shared = SimpleNamespace(**vars(ssl) | {"create_default_context": cache(ssl.create_default_context)})
    with patch.object(prefect.client.orchestration, "ssl", shared):
        yield


@contextmanager
def workshop_server() -> Iterator[None]:
    """Pour lancer un kata à la main : ses runs se voient dans l'interface, dont l'adresse s'affiche.

    S'il n'y a pas de serveur, un message dit que faire et le programme s'arrête avec le code 1.
    """
    try:
        server = ensure_server()
    except EnvironmentProblem as problem:
        raise SystemExit(f"{problem}\nPour réparer : {problem.repair}") from problem
    with connected(server, state_dir() / "prefect" / "results"):
        yield
    print(f"Vos runs : {ui_url(server.url)}/runs")
