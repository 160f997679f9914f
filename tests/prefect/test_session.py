"""Prefect, branché sur un serveur : ce qu'il lui demande, et ce qu'il ne lui demande pas."""

from pathlib import Path

import pytest

from atelier.prefect.server import Server
from atelier.prefect.session import connected
from atelier.props.scripted_server import Reply, Request, ScriptedServer


class Listener(ScriptedServer):
    """Un serveur Prefect sans stockage commun, qui note ce qu'on lui demande."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def respond(self, request: Request) -> Reply:
        """Aucun bloc de stockage."""
        self.paths.append(request.path)
        return Reply(200, '{"default_result_storage_block_id": null}', "application/json")


@pytest.mark.parametrize("private", [True, False])
def test_only_a_shared_server_says_where_results_go(private: bool, tmp_path: Path) -> None:
    """Le serveur que `pytest` garde pour lui n'a pas de stockage commun : inutile de le lui demander à chaque task."""
    from prefect.results import get_default_result_storage

    with Listener() as listener, connected(Server(f"{listener.root}/api", private=private), tmp_path, client_retries=0):
        storage = get_default_result_storage()

    assert ("local-file-system", str(tmp_path)) == (storage.get_block_type_slug(), storage.basepath)
    asked = [path for path in listener.paths if path.endswith("/storage")]
    assert ([] if private else ["/api/admin/storage"]) == asked
