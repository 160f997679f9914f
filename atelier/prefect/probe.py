"""Ce que Prefect a enregistré d'un run : des états et des task runs, relus par l'API du serveur."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from uuid import UUID

import prefect.task_engine
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import State, TaskRun

from atelier.machine.errors import EnvironmentProblem, text_of
from atelier.machine.until import until
from atelier.prefect.clock import real_sleep
from atelier.sandbox.mistakes import StudentMistake
from atelier.sandbox.runtime_errors import in_french

RECORDING_SECONDS = 10.0  # moins que le délai d'un test : la panne du serveur n'est pas celle de l'étudiant
POLL_SECONDS = 0.03  # plus souvent, les lectures ralentiraient le serveur qui enregistre


@dataclass(frozen=True)
class Attempt:
    """Un task run tel que le serveur le connaît : `runs` est le nombre d'essais, `inputs` les task runs amont.

    `flow_run_id` est le flow run où il s'est exécuté : un sous-flow a les siens.
    """

    task: str
    state: str
    runs: int
    id: UUID
    inputs: dict[str, list[UUID]]
    flow_run_id: UUID | None


@dataclass(frozen=True)
class StoredFlowRun:
    """Un flow run tel que le serveur le garde : le nom du flow, celui du run, et ses paramètres, écrits en JSON."""

    flow: str
    id: UUID
    name: str
    state: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class RunRecord:
    """Ce qui reste d'un appel : l'état final, la valeur ou l'erreur, les task runs dans l'ordre de départ."""

    state: State[Any]
    value: Any
    error: BaseException | None
    task_runs: tuple[Attempt, ...]

    @property
    def flow_run_id(self) -> UUID | None:
        """L'identifiant du flow run, ou rien pour une task appelée seule."""
        return self.state.state_details.flow_run_id

    @property
    def flow_run(self) -> StoredFlowRun:
        """Le flow run lui-même ; relu à la demande, pour que les autres katas n'en paient pas les requêtes."""
        return _stored(FlowRunFilter(id={"any_": [self.flow_run_id]}))[0]

    @property
    def subflows(self) -> tuple[StoredFlowRun, ...]:
        """Ses sous-flows, dans l'ordre : le serveur les relie par leur `parent_task_run_id` ; relus à la demande."""
        return _stored(FlowRunFilter(parent_flow_run_id={"any_": [self.flow_run_id]})) if self.flow_run_id else ()

    def of(self, task: str) -> tuple[Attempt, ...]:
        """Les task runs de la task de ce nom."""
        return tuple(run for run in self.task_runs if run.task == task)

    def __str__(self) -> str:
        if self.error is None:
            return str(self.state.name)
        return f"{self.state.name}, {type(self.error).__name__} : {in_french(text_of(self.error)).strip()[:200]}"


class Probe:
    """Lance des flows et des tasks, et rend ce que Prefect en a gardé.

    D'un flow, on relit ce que le serveur a enregistré : ce que montre l'interface. Une task appelée seule n'y est
    rattachée à rien : on rend le task run du moteur, sans en encombrer le serveur.
    """

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client = client
        self._last: dict[UUID, TaskRun] = {}
        self._is_flow = False
        self.last_flow_run: UUID | None = None

    @contextmanager
    def listening(self) -> Iterator["Probe"]:
        """Note au passage chaque changement d'état émis par le moteur : c'est ce que le serveur doit recevoir."""
        emit = prefect.task_engine.emit_task_run_state_change_event

        def noting(task_run: TaskRun, *arguments: Any, **keywords: Any) -> Any:
            self._last[task_run.id] = task_run
            return emit(task_run, *arguments, **keywords) if self._is_flow else None

        with patch.object(prefect.task_engine, "emit_task_run_state_change_event", noting):
            yield self

    def run(self, flow_or_task: Callable[..., Any], *arguments: Any, **parameters: Any) -> RunRecord:
        """Appelle un flow ou une task et rend ce que le serveur en a gardé.

        Lève `StudentMistake` si ce n'est ni un flow ni une task, `NotImplementedError` si un TODO reste à
        faire, `EnvironmentProblem` si le serveur n'enregistre rien.
        """
        name = getattr(flow_or_task, "__name__", repr(flow_or_task))
        if not hasattr(flow_or_task, "with_options"):
            raise StudentMistake(expected=f"« {name} » connu de Prefect : un flow ou une task", got=_kind(flow_or_task))
        self._is_flow = isinstance(flow_or_task, Flow)
        self._last.clear()
        state = flow_or_task(*arguments, return_state=True, **parameters)
        if inspect.isawaitable(state):  # `async def` : Prefect l'admet, l'appel ne fait alors que préparer le run
            state = asyncio.run(_awaited(state))
        task_runs = self._recorded() if self._is_flow else [*self._last.values()]
        self.last_flow_run = state.state_details.flow_run_id or self.last_flow_run
        value = state.result(raise_on_failure=False)
        error = value if isinstance(value, BaseException) else None
        if isinstance(error, NotImplementedError | ModuleNotFoundError):
            raise error
        return RunRecord(state, None if error else value, error, _in_order(task_runs))

    def _recorded(self) -> list[TaskRun]:
        """Relit les task runs. Les attendre laisse aussi le serveur en paix : occupé à écrire, SQLite refuserait le
        flow run suivant.
        """
        expected = set(self._last)
        if not expected:
            return []
        real_sleep(POLL_SECONDS)  # tout de suite, rien ne serait encore écrit
        for _ in until(RECORDING_SECONDS, every=POLL_SECONDS):
            runs = self._client.read_task_runs(task_run_filter=TaskRunFilter(id={"any_": list(expected)}))
            if {run.id for run in runs if self._is_up_to_date(run)} == expected:
                return runs
        raise EnvironmentProblem("le serveur Prefect n'enregistre plus les task runs", "make down && make up")

    def _is_up_to_date(self, run: TaskRun) -> bool:
        emitted = self._last[run.id].state
        return run.state is not None and emitted is not None and run.state.id == emitted.id


async def _awaited(awaitable: Awaitable[State[Any]]) -> State[Any]:
    return await awaitable


def _kind(value: object) -> str:
    if isinstance(value, type):
        return "une classe"
    return "une fonction Python ordinaire" if callable(value) else f"une valeur, {value!r:.80}"


def _stored(which: FlowRunFilter) -> tuple[StoredFlowRun, ...]:
    with get_client(sync_client=True) as client:
        # L'heure de départ est simulée ; celle de création vient du serveur, et range les runs.
        runs = sorted(client.read_flow_runs(flow_run_filter=which), key=lambda run: run.created)
        flows = client.read_flows(flow_filter=FlowFilter(id={"any_": [run.flow_id for run in runs]})) if runs else []
    names = {flow.id: flow.name for flow in flows}
    return tuple(
        StoredFlowRun(names[run.flow_id], run.id, run.name, run.state_name or "", run.parameters) for run in runs
    )


def _in_order(runs: list[TaskRun]) -> tuple[Attempt, ...]:
    ordered = sorted(runs, key=lambda run: (run.start_time is None, run.start_time, str(run.id)))
    return tuple(
        Attempt(_task_name(run), run.state_name or "", run.run_count, run.id, _upstream(run), run.flow_run_id)
        for run in ordered
    )


def _task_name(run: TaskRun) -> str:
    """Le nom de la fonction décorée, que l'étudiant ait renommé la task ou non."""
    return run.task_key.rpartition("-")[0]


def _upstream(run: TaskRun) -> dict[str, list[UUID]]:
    """D'où vient chaque paramètre. `__parents__` est à part : ce qui tournait encore quand la task a été soumise."""
    inputs = {name: items for name, items in run.task_inputs.items() if name != "__parents__"}
    return {name: [item.id for item in items if item.input_type == "task_run"] for name, items in inputs.items()}
