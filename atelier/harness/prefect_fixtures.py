"""Les fixtures Prefect des katas : le vrai serveur, l'heure simulée, ce qu'un run y a laissé.

Un plugin pytest, à côté de `plugin.py`. Rien de lourd ne s'importe ici : un paquet absent, un serveur en panne doivent
donner un message, et la collecte rester immédiate.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_timeout import is_debugging

from atelier.feedback.report import SOURCE
from atelier.harness.outages import OUTAGES, WatchedServer
from atelier.harness.plugin import REPORTER, STUDENT_FILES, require_watching
from atelier.harness.tools import needs_prefect, needs_stack, prepare, repair_of
from atelier.machine.addresses import browser_url
from atelier.machine.errors import EnvironmentProblem
from atelier.machine.imports import faster_imports
from atelier.prefect.logs import swallowed_errors
from atelier.prefect.session import connected, one_tls_context
from atelier.prefect.settings import prepare_environment
from atelier.sandbox.loader import explain_missing_package

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from atelier.prefect.clock import SimulatedClock
    from atelier.prefect.probe import Probe, RunRecord
    from atelier.prefect.second_process import SecondProcess
    from atelier.prefect.server import Server
    from atelier.stack.deployments import TemporaryDeployments


def pytest_configure() -> None:
    """Met Prefect à l'abri des réglages de l'utilisateur, avant le premier import."""
    prepare(prepare_environment)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Lance le serveur Prefect dès que l'on sait qu'il servira : il démarre pendant les imports."""
    if session.config.option.collectonly:
        return
    if any(needs_prefect(item) and not needs_stack(item) for item in session.items):
        from atelier.prefect.server import launch_server

        # Une panne se redira, mieux, dans le premier test qui a besoin du serveur.
        with suppress(EnvironmentProblem, ModuleNotFoundError):
            launch_server()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Sans worker, un test de la pile attendrait un run que personne ne prendra : on le dit d'abord."""
    if needs_stack(item):
        from atelier.stack.worker import require_worker

        require_worker()


@pytest.fixture(scope="session")
def prefect_server(_results: Path, request: pytest.FixtureRequest) -> "Iterator[Server]":
    """Le serveur Prefect de l'atelier, prêt, auquel Prefect est connecté."""
    from atelier.prefect.clock import CLIENT_RETRIES
    from atelier.prefect.server import launch_server, still_answers, wait_until_ready

    with faster_imports():
        server = launch_server()
        _import_prefect()
        if any("run_elsewhere" in getattr(item, "fixturenames", ()) for item in request.session.items):
            # Maintenant : Prefect est importé, et aucun thread ne tourne encore.
            request.getfixturevalue("_second_process")
        wait_until_ready(server)
    request.config.stash[OUTAGES].watch(
        WatchedServer(
            "Prefect", server.url, partial(still_answers, server), needs_prefect, partial(repair_of, "prefect")
        )
    )
    with connected(server, _results, CLIENT_RETRIES), one_tls_context():
        yield server


@pytest.fixture
def clock(prefect_server: "Server", request: pytest.FixtureRequest) -> "Iterator[SimulatedClock]":
    """L'horloge simulée du test : personne n'attend, chaque attente est notée."""
    from atelier.prefect.clock import SimulatedClock, simulated_time

    with simulated_time(SimulatedClock(), request.config.stash[STUDENT_FILES].__contains__) as clock:
        yield clock


@pytest.fixture(scope="session")
def _results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def storage(_results: Path) -> Path:
    """Le dossier des résultats Prefect, vidé avant chaque test : en changer coûterait 60 ms de réglages."""
    shutil.rmtree(_results, ignore_errors=True)
    _results.mkdir(exist_ok=True)
    return _results


@pytest.fixture(scope="session")
def _client(prefect_server: "Server") -> "Iterator[SyncPrefectClient]":
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture(scope="session")
def _probe(_client: "SyncPrefectClient") -> "Iterator[Probe]":
    from atelier.prefect.probe import Probe

    with Probe(_client).listening() as probe:
        yield probe


@pytest.fixture
def run(
    prefect_server: "Server",
    _probe: "Probe",
    clock: "SimulatedClock",
    storage: Path,
    request: pytest.FixtureRequest,
) -> "Callable[..., RunRecord]":
    """Lance un flow ou une task et rend ce que le serveur Prefect en a enregistré."""

    def run(flow_or_task: Callable[..., Any], *arguments: Any, **parameters: Any) -> "RunRecord":
        require_watching(request)
        with swallowed_errors() as swallowed:
            record = _probe.run(flow_or_task, *arguments, **parameters)
        if is_debugging() and isinstance(record.error, pytest.exit.Exception):
            raise record.error  # l'étudiant quitte pdb, et Prefect y a vu l'échec d'un run
        page = f"{browser_url(prefect_server.url)}/runs/flow-run/{_probe.last_flow_run}"
        shown = page if _probe.last_flow_run else None
        request.config.stash[REPORTER].saw_run(
            request.node.nodeid, shown, record.error, swallowed[-1] if swallowed else None
        )
        return record

    return run


@pytest.fixture(scope="session")
def _deployments(_client: "SyncPrefectClient") -> "TemporaryDeployments":
    from atelier.stack.deployments import TemporaryDeployments

    return TemporaryDeployments(_client)


@pytest.fixture
def deployments(_deployments: "TemporaryDeployments") -> "Iterator[TemporaryDeployments]":
    """Le serveur vu de ses deployments ; ceux que le test y met sont retirés à la fin, quoi qu'il arrive."""
    with _deployments.removed_afterwards():
        yield _deployments


@pytest.fixture(scope="session")
def _second_process() -> "Iterator[SecondProcess]":
    from atelier.prefect.second_process import SecondProcess

    with closing(SecondProcess()) as second_process:
        yield second_process


@pytest.fixture
def run_elsewhere(
    prefect_server: "Server",
    _second_process: "SecondProcess",
    clock: "SimulatedClock",
    storage: Path,
    request: pytest.FixtureRequest,
) -> "Callable[..., RunRecord]":
    """Comme `run`, dans un autre processus, qui charge le fichier à neuf ; on lui donne un nom à appeler."""
    from atelier.prefect.second_process import Job

    _second_process.wait_until_ready()

    def run_elsewhere(name: str, *arguments: Any, **parameters: Any) -> "RunRecord":
        seconds_ahead = clock.ahead().total_seconds()
        source = request.node.stash[SOURCE]
        return _second_process.run(Job(source, name, prefect_server, storage, seconds_ahead, arguments, parameters))

    return run_elsewhere


@pytest.fixture(autouse=True)
def _prefect_before_the_kata(request: pytest.FixtureRequest) -> None:
    """Dès le chargement du kata, Prefect est prêt : le fichier peut garder un `sleep` importé, ou lancer un flow."""
    if SOURCE in request.node.stash and needs_prefect(request.node):
        request.getfixturevalue("prefect_server" if needs_stack(request.node) else "clock")
        request.getfixturevalue("storage")


def _import_prefect() -> None:
    try:
        import prefect.client.orchestration
        import prefect.flow_engine
        import prefect.task_engine  # noqa: F401
    except ModuleNotFoundError as error:
        raise explain_missing_package(error) from error
