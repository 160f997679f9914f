"""Les deployments que l'atelier a créés d'ici : sur un serveur partagé, les autres sont à quelqu'un.

Tout ce qui crée un deployment dans ce processus (`apply`, `deploy`, `serve`, un client, `async` ou non, dans n'importe
quel thread) passe par l'un des deux clients HTTP de Prefect. Le serveur y répond 201 s'il le crée, 200 s'il existait
déjà : redéployer celui de quelqu'un n'en fait pas le nôtre.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import UUID

from atelier.prefect.settings import home

if TYPE_CHECKING:
    from httpx import Request, Response


@contextmanager
def noted() -> Iterator[set[UUID]]:
    """Note ce que ce processus crée pendant le bloc : dans l'ensemble rendu, et pour plus tard dans `.atelier/`."""
    from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient

    created: set[UUID] = set()
    send, send_async = PrefectHttpxSyncClient.send, PrefectHttpxAsyncClient.send

    def note(request: "Request", response: "Response") -> "Response":
        if (request.method, response.status_code) == ("POST", 201) and request.url.path.endswith("/deployments/"):
            deployment = UUID(response.json()["id"])
            created.add(deployment)
            _note_of(deployment).touch()
        return response

    def noting_send(client: PrefectHttpxSyncClient, request: "Request", *arguments: Any, **keywords: Any) -> "Response":
        return note(request, send(client, request, *arguments, **keywords))

    async def noting_send_async(
        client: PrefectHttpxAsyncClient, request: "Request", *arguments: Any, **keywords: Any
    ) -> "Response":
        return note(request, await send_async(client, request, *arguments, **keywords))

    with (
        patch.object(PrefectHttpxSyncClient, "send", noting_send),
        patch.object(PrefectHttpxAsyncClient, "send", noting_send_async),
    ):
        yield created


def known() -> set[UUID]:
    """Tous ceux qui ont été notés ici, par ce processus ou par un autre, et que personne n'a encore oubliés."""
    return {UUID(note.name) for note in _folder().iterdir()}


def forget(deployment: UUID) -> None:
    """Oublie celui-ci, une fois retiré du serveur."""
    _note_of(deployment).unlink(missing_ok=True)


def _note_of(deployment: UUID) -> Path:
    return _folder() / str(deployment)


def _folder() -> Path:
    """Un fichier vide par deployment : deux processus qui notent à la fois ne se gênent pas."""
    folder = home("deployments")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
