"""Les deployments de l'atelier : ceux d'un test, qui n'y survivent pas ; ceux d'un étudiant, retirés d'une commande."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import DeploymentApplyError, RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Scheduled, State

from atelier.exercise.kata import KATAS
from atelier.machine.addresses import is_local
from atelier.machine.paths import ROOT
from atelier.machine.until import until
from atelier.prefect import own_deployments
from atelier.prefect.settings import POOL
from atelier.sandbox.mistakes import StudentMistake
from atelier.stack.worker import require_worker

TAG = "atelier"
PAGE = 200
# Le worker regarde toutes les cinq secondes, puis lance deux processus par run, peut-être sur une machine chargée.
RUN_SECONDS = 90.0
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Removal:
    """Ce que `make undeploy` a retiré, et combien de deployments de l'atelier restent, qui ne viennent pas d'ici."""

    names: list[str]
    others: int


def remove_workshop_deployments(client: SyncPrefectClient) -> Removal:
    """Retire les deployments de l'atelier qui viennent d'ici, avec leurs runs prévus ; ceux des autres restent."""
    noted = own_deployments.known()
    found = [deployment for deployment in _all(client) if deployment.id in noted or _is_of_workshop(deployment)]
    ours = [deployment for deployment in found if _is_ours(deployment, client, noted)]
    names = [f"{client.read_flow(deployment.flow_id).name}/{deployment.name}" for deployment in ours]
    _delete(client, [deployment.id for deployment in ours])
    return Removal(sorted(names), len(found) - len(ours))


class TemporaryDeployments:
    """Les deployments d'un test, sur le vrai serveur, dans un environnement dont le nom n'est qu'à lui."""

    def __init__(self, client: SyncPrefectClient) -> None:
        self.environment = f"test-{uuid4().hex[:8]}"
        self._client = client

    @contextmanager
    def removed_afterwards(self) -> Iterator["TemporaryDeployments"]:
        """Retire ensuite ce que le test a créé, sous quelque nom que ce soit, et les runs jamais partis.

        Rien d'autre : sur un serveur partagé, d'autres déploient pendant ce temps, et le même fichier. On ne peut pas
        suivre un sous-processus : de ce qu'il crée, seul ce qui porte le nom de l'environnement est retiré.
        """
        with own_deployments.noted() as created:
            try:
                yield self
            finally:
                self._remove(created | {deployment.id for deployment in self._here()})

    def apply(self, deployment: RunnerDeployment) -> UUID:
        """Enregistre ce deployment, sans work pool : aucun worker ne prendra ses runs."""
        try:
            return deployment.apply()
        except DeploymentApplyError as error:
            raise StudentMistake("un deployment que le serveur accepte", f"un refus : {_reason(error)}") from error

    def create_pool(self) -> None:
        """Crée le work pool de l'atelier, si aucun worker ne l'a encore fait."""
        with suppress(ObjectAlreadyExists):
            self._client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))

    def deployed(self) -> dict[str, DeploymentResponse]:
        """Les deployments de cet environnement, par nom de flow."""
        return {self._client.read_flow(deployment.flow_id).name: deployment for deployment in self._here()}

    def read(self, deployment: UUID) -> DeploymentResponse:
        """Ce deployment, tel que le serveur le connaît."""
        return self._client.read_deployment(deployment)

    def start(self, deployment: UUID, delay: timedelta | None = None) -> FlowRun:
        """Demande un run, comme le bouton « Run » de l'interface : tout de suite, ou après `delay`."""
        state = Scheduled(scheduled_time=datetime.now(UTC) + delay) if delay else None
        return self._client.create_flow_run_from_deployment(deployment, state=state)

    def plan(self, deployment: UUID, start: datetime, end: datetime) -> list[FlowRun]:
        """Demande au serveur les runs que la schedule prévoit entre ces deux instants."""
        interval = {"start_time": start.isoformat(), "end_time": end.isoformat()}
        self._client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment}, json=interval)
        return [run for run in self._runs_of([deployment]) if run.auto_scheduled]

    def propose(self, run: FlowRun, state: State) -> str:
        """Propose cet état au serveur, comme le fait un worker ; rend le nom de celui que le run a reçu."""
        answer = self._client.set_flow_run_state(run.id, state)
        return answer.state.name if answer.state and answer.state.name else f"refusé ({answer.status.value})"

    def wait(self, *runs: FlowRun) -> list[FlowRun]:
        """Attend que le worker en ait fini avec ces runs, et les rend ; la durée est bornée, la raison dite."""
        these = FlowRunFilter(id={"any_": [run.id for run in runs]})
        for _ in until(RUN_SECONDS, every=POLL_SECONDS):
            found = {run.id: run for run in self._client.read_flow_runs(flow_run_filter=these)}
            if all(run.state and run.state.is_final() for run in found.values()):
                return [found[run.id] for run in runs]
        require_worker()
        states = ", ".join(f"« {found[run.id].state_name} »" for run in runs)
        raise StudentMistake(f"des runs finis en moins de {RUN_SECONDS:.0f} s", f"des runs {states}")

    def _here(self) -> list[DeploymentResponse]:
        return self._client.read_deployments(deployment_filter=DeploymentFilter(name={"any_": [self.environment]}))

    def _remove(self, deployments: set[UUID]) -> None:
        for run in self._runs_of(deployments):
            if run.start_time is None:
                self._client.delete_flow_run(run.id)
        _delete(self._client, deployments)

    def _runs_of(self, deployments: Iterable[UUID]) -> list[FlowRun]:
        return self._client.read_flow_runs(deployment_filter=DeploymentFilter(id={"any_": list(deployments)}))


def _all(client: SyncPrefectClient) -> Iterator[DeploymentResponse]:
    for offset in count(step=PAGE):
        page = client.read_deployments(limit=PAGE, offset=offset)
        yield from page
        if len(page) < PAGE:
            return


def _reason(error: DeploymentApplyError) -> str:
    """Ce qui, dans la réponse du serveur, parle du deployment et non de HTTP."""
    refusal = error.__cause__
    if not isinstance(refusal, PrefectHTTPStatusError):
        return str(error)
    problems = refusal.response.json().get("exception_detail", [])
    return "; ".join(str(problem.get("msg", problem)) for problem in problems) or str(error)


def _is_of_workshop(deployment: DeploymentResponse) -> bool:
    # Un tag oublié ne doit pas rendre un deployment éternel.
    katas = {file.name for file in KATAS.glob("*/*.py")}
    return TAG in deployment.tags or _file(deployment) in katas


def _is_ours(deployment: DeploymentResponse, client: SyncPrefectClient, noted: set[UUID]) -> bool:
    folder = _folder(deployment)
    # Sur cette machine, le dossier dit de quelle copie de l'atelier il s'agit, même si un autre l'a redéployé. D'un
    # serveur d'ailleurs, il ne dit rien : dans une classe, tous les conteneurs ont le même.
    if is_local(str(client.api_url)) and folder.is_absolute():
        return folder.is_relative_to(ROOT)
    return deployment.id in noted


def _folder(deployment: DeploymentResponse) -> Path:
    """Le dossier où le worker trouvera le code ; relatif, il ne dit rien."""
    steps = [options for step in deployment.pull_steps or [] for options in step.values()]
    folders = [options["directory"] for options in steps if isinstance(options, dict) and "directory" in options]
    return Path(folders[0] if folders else deployment.path or "")


def _file(deployment: DeploymentResponse) -> str:
    """Le nom du fichier qui contient le flow ; celui d'un kata n'existe nulle part ailleurs."""
    return Path((deployment.entrypoint or "").rpartition(":")[0]).name


def _delete(client: SyncPrefectClient, deployments: Iterable[UUID]) -> None:
    for deployment in deployments:
        with suppress(ObjectNotFound):
            client.delete_deployment(deployment)
        own_deployments.forget(deployment)
