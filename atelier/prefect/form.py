"""Le formulaire que l'interface tire des paramètres d'un flow déployé, et que le serveur vérifie."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client


@dataclass(frozen=True)
class Form:
    """Le formulaire d'un flow ; `schema` décrit ses champs, tels que le serveur les a reçus."""

    client: SyncPrefectClient
    schema: dict[str, Any]

    def errors(self, **values: Any) -> dict[str, str]:
        """Ce que l'interface affiche sous chaque champ mal rempli ; rien, si elle accepte tout."""
        content = {"schema": self.schema, "values": values}
        answer = self.client.request("POST", "/ui/schemas/validate", json=content)
        return dict(_told(answer.json()["errors"], ()))


@contextmanager
def form_of(flow: Flow[..., Any]) -> Iterator[Form]:
    """Déploie le flow le temps du bloc, et rend le formulaire que l'interface en montrerait."""
    with get_client(sync_client=True) as client:
        deployment_id = client.create_deployment(
            flow_id=client.create_flow(flow),
            name=f"form-{uuid4()}",
            parameter_openapi_schema=flow.parameters.model_dump_for_openapi(),
        )
        try:
            yield Form(client, client.read_deployment(deployment_id).parameter_openapi_schema or {})
        finally:
            client.delete_deployment(deployment_id)


def _told(errors: list[Any], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Met à plat les erreurs, que le serveur range par champ puis par sous-champ."""
    for error in errors:
        if isinstance(error, str):
            yield ".".join(path), error
        else:
            yield from _told(error["errors"], (*path, str(error.get("property", error.get("index")))))
