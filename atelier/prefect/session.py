"""Branche Prefect sur le serveur de l'atelier, sans toucher aux réglages de l'utilisateur."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from atelier.machine.addresses import browser_url, loopback_without_proxy
from atelier.machine.errors import EnvironmentProblem
from atelier.machine.privacy import become
from atelier.prefect import own_deployments
from atelier.prefect.server import Server, ensure_server
from atelier.prefect.settings import home, results


@contextmanager
def connected(server: Server, storage: Path, client_retries: int = 5) -> Iterator[None]:
    """Règle Prefect sur ce serveur et sur ce dossier de résultats, le temps du bloc.

    `client_retries` : combien de fois réessayer une requête que le serveur refuse parce que sa base est occupée.
    """
    from prefect import context, settings

    changed = {
        settings.PREFECT_API_URL: server.url,
        settings.PREFECT_API_KEY: None,
        settings.PREFECT_CLIENT_MAX_RETRIES: client_retries,
        # Une requête de moins par run : notre serveur n'exige pas cette protection, faite pour les navigateurs.
        settings.PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: not server.private,
        # Les adresses que Prefect affiche, telles que le navigateur les atteint.
        settings.PREFECT_UI_URL: browser_url(server.url),
        settings.PREFECT_HOME: home("client"),
        settings.PREFECT_LOCAL_STORAGE_PATH: storage,
        settings.PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False,
        # Chaque flow run attendrait sinon jusqu'à une seconde, à sa fin, le dernier battement.
        settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    with (
        settings.temporary_settings(changed),
        # Un thread que l'étudiant lance lui-même n'hérite de rien : il lirait les réglages du départ.
        patch.object(context, "GLOBAL_SETTINGS_CONTEXT", context.SettingsContext.get()),
        _local_results() if server.private else nullcontext(),
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
    become(loopback_without_proxy(os.environ))
    with connected(server, results()), own_deployments.noted():
        yield
    print(f"Vos runs : {browser_url(server.url)}/runs")


@contextmanager
def _local_results() -> Iterator[None]:
    """Ne demande pas au serveur où garder les résultats : à chaque task, une connexion et une requête de moins.

    Prefect le demande parce qu'un serveur partagé peut avoir un stockage commun ; celui de `pytest` n'en a pas.
    """
    import prefect.results

    async def nowhere() -> None:
        return None

    with (
        patch.object(prefect.results, "_read_server_default_result_storage_block_id", lambda: None),
        patch.object(prefect.results, "_aread_server_default_result_storage_block_id", nowhere),
    ):
        yield
