"""Matérialise des assets pour de vrai, et dit ce que Dagster en a fait : calculé, relu, vérifié, bloqué."""

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._utils.schedules import schedule_execution_time_iterator  # le calcul du démon, qui n'a pas de nom public
from toposort import CircularDependencyError

from atelier.dagster.errors import explanation, told
from atelier.sandbox.mistakes import StudentMistake

LAUNCH = "le lancement"
SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class RunRecord:
    """Ce qui reste d'un run, d'après le journal de Dagster.

    `planned` : les assets demandés ; `loaded` : ceux qui n'ont été que relus, un run précédent les ayant produits ;
    `metadata` : pour chaque asset produit, nom → valeur ; `checks` : nom → réussi ou non ; `errors` : asset, check ou
    lancement → l'erreur ; `story` : tout cela, dans l'ordre.
    """

    planned: frozenset[str]
    loaded: frozenset[str] = frozenset()
    metadata: dict[str, Mapping[str, dg.MetadataValue]] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    story: list[tuple[str, str]] = field(default_factory=list)

    @property
    def computed(self) -> list[str]:
        """Les assets produits par ce run, dans l'ordre."""
        return list(self.metadata)

    @property
    def error(self) -> BaseException | None:
        """La première erreur, ou rien."""
        return next(iter(self.errors.values()), None)

    def __str__(self) -> str:
        loaded = f" (relus : {', '.join(sorted(self.loaded))})" if self.loaded else ""
        return " ; ".join(f"{name} {what}" for name, what in self.story if name not in self.loaded) + loaded

    def table(self) -> str:
        """Le récit, une ligne par asset ou par check."""
        width = max((len(name) for name, _ in self.story), default=0)
        return "\n".join(f"  {name:<{width}}  {what}" for name, what in self.story)


class Probe:
    """Lance des runs sur une instance de Dagster, comme le ferait l'interface, et lit ce qu'elle en a gardé.

    Les assets sont rangés dans `storage` ; `saw` est appelé après chaque run.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        storage: Path,
        saw: Callable[[RunRecord], None] = lambda record: None,
    ) -> None:
        self._instance = instance
        self._storage = storage
        storage.mkdir(parents=True, exist_ok=True)
        self._saw = saw

    def materialize(
        self,
        defs: dg.Definitions,
        *assets: str,
        config: Mapping[str, Mapping[str, object]] | None = None,
        checks: bool = True,
    ) -> RunRecord:
        """Matérialise ces assets, ou tous, avec leurs checks ; `config` donne ses réglages à un asset.

        Lève `StudentMistake` si le graphe ne se charge pas.
        """
        with self._repository(defs) as repository:
            job = repository.get_implicit_global_asset_job_def()
        if assets:
            keys = {dg.AssetKey(asset) for asset in assets}
            job = job.get_subset(asset_selection=keys, asset_check_selection=None if checks else set())
        return self._run(job, {"ops": {asset: {"config": values} for asset, values in (config or {}).items()}})

    def check(self, defs: dg.Definitions, asset: str, check: str) -> RunRecord:
        """Ne lance qu'un check, sur ce que Dagster a gardé."""
        with self._repository(defs) as repository:
            job = repository.get_implicit_global_asset_job_def()
        return self._run(job.get_subset(asset_check_selection={dg.AssetCheckKey(dg.AssetKey(asset), check)}), {})

    def lineage(self, defs: dg.Definitions) -> dict[str, list[str]]:
        """Le graphe que dessine l'interface : de quels assets dépend chacun."""
        with self._repository(defs) as repository:
            graph = repository.asset_graph
        return {_name(key): sorted(map(_name, graph.get(key).parent_keys)) for key in graph.materializable_asset_keys}

    def next_ticks(self, defs: dg.Definitions, start: datetime, count: int) -> list[datetime]:
        """Les `count` prochains départs de l'unique `schedule`, à partir de `start`."""
        with self._repository(defs) as repository:
            schedule = _only_schedule(repository)
        ticks = schedule_execution_time_iterator(start.timestamp(), schedule.cron_schedule, schedule.execution_timezone)
        return list(islice(ticks, count))

    def tick(self, defs: dg.Definitions, moment: datetime) -> RunRecord:
        """Lance ce que l'unique `schedule` lance à cette heure-là."""
        with self._repository(defs) as repository:
            schedule = _only_schedule(repository)
            context = dg.build_schedule_context(self._instance, moment, repository_def=repository)
            requests = schedule.evaluate_tick(context).run_requests or []
            if len(requests) != 1:
                raise StudentMistake(expected="un `schedule` qui lance un run", got=f"runs lancés : {len(requests)}")
            job = repository.get_job(schedule.job_name)
        if keys := requests[0].asset_selection:
            job = job.get_subset(asset_selection=set(keys))
        return self._run(job, requests[0].run_config)

    def store(self, **values: object) -> None:
        """Range ces valeurs là où Dagster garde les assets, comme si un run venait de les produire."""
        for asset, value in values.items():
            # Le format du `FilesystemIOManager`, celui de Dagster si l'on n'en choisit pas un autre.
            (self._storage / asset).write_bytes(pickle.dumps(value))

    def stored(self, asset: str) -> Any:
        """Ce que Dagster a gardé de cet asset. Lève `StudentMistake` s'il n'a rien gardé."""
        try:
            return pickle.loads((self._storage / asset).read_bytes())
        except FileNotFoundError as error:
            raise StudentMistake(expected=f"une valeur de « {asset} », gardée pour la suite", got="rien") from error

    def times_materialized(self, asset: str) -> int:
        """Combien de fois cet asset a été produit, d'après le journal de l'instance."""
        return len(self._instance.fetch_materializations(dg.AssetKey(asset), limit=100).records)

    @contextmanager
    def _repository(self, defs: dg.Definitions) -> Iterator[dg.RepositoryDefinition]:
        """Ce que l'interface chargerait, avec l'endroit où ranger les assets."""
        if not isinstance(defs, dg.Definitions):
            raise StudentMistake(expected="`defs`, un `dg.Definitions`", got=f"`defs` est un {type(defs).__name__}")
        io_manager = dg.FilesystemIOManager(base_dir=str(self._storage))
        try:
            stored = dg.Definitions.merge(defs, dg.Definitions(resources={"io_manager": io_manager}))
            dg.Definitions.validate_loadable(stored)
            yield stored.get_repository_def()
        except (dg.DagsterInvalidDefinitionError, CircularDependencyError) as error:
            raise _invalid_graph(error, defs) from error

    def _run(self, job: dg.JobDefinition, config: Mapping[str, object]) -> RunRecord:
        errors: dict[str, BaseException] = {}

        @dg.failure_hook(name="keep_error")
        def keep_error(context: dg.HookContext) -> None:
            errors[context.step_key] = context.op_exception

        try:
            result = job.with_hooks({keep_error}).execute_in_process(
                instance=self._instance, run_config={**config, **SILENT}, raise_on_error=False
            )
        except dg.DagsterInvalidConfigError as error:
            record = RunRecord(_planned(job), errors={LAUNCH: error}, story=[(LAUNCH, f"refusé ({told(error)})")])
        else:
            record = _record(result, errors)
        self._saw(record)
        return record


def _record(result: dg.ExecuteInProcessResult, errors: Mapping[str, BaseException]) -> RunRecord:
    planned = _planned(result.job_def)
    record = RunRecord(planned, loaded=_loaded(result) - planned)
    record.story += [(asset, "relu") for asset in sorted(record.loaded)]
    graph, judged = result.job_def.asset_layer.asset_graph, set()
    checks = {f"{key.asset_key.to_python_identifier()}_{key.name}": key.name for key in graph.asset_check_keys}
    for event in result.all_events:
        if event.is_step_materialization:
            asset = _name(event.asset_key)
            record.metadata[asset] = event.materialization.metadata
            record.story.append((asset, "calculé"))
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            record.checks[check.check_name] = check.passed
            record.story.append((check.check_name, "réussi" if check.passed else "raté"))
            judged.add(event.step_key)
        elif event.is_step_failure and event.step_key not in judged:  # un check raté n'est pas une erreur de code
            name, error = checks.get(event.step_key, event.step_key), errors[event.step_key]
            record.errors[name] = error
            record.story.append((name, f"en échec ({told(error)})"))
    record.story += [(asset, "bloqué") for asset in sorted(planned - {*record.metadata, *record.errors})]
    return record


def _planned(job: dg.JobDefinition) -> frozenset[str]:
    return frozenset(map(_name, job.asset_layer.selected_asset_keys))


def _loaded(result: dg.ExecuteInProcessResult) -> frozenset[str]:
    definitions = result.job_def.asset_layer.asset_graph.assets_defs
    assets = {name: _name(key) for each in definitions for name, key in each.keys_by_input_name.items()}
    events = result.filter_events(lambda event: event.is_loaded_input)
    names = {event.event_specific_data.input_name for event in events}
    return frozenset(assets.get(name, name) for name in names)


def _only_schedule(repository: dg.RepositoryDefinition) -> dg.ScheduleDefinition:
    schedules = repository.schedule_defs
    if len(schedules) != 1:
        raise StudentMistake(expected="un `schedule` dans `defs`", got=f"schedules : {len(schedules)}")
    return schedules[0]


def _invalid_graph(error: Exception, defs: dg.Definitions) -> StudentMistake:
    """La faute que Dagster a vue en assemblant le graphe, et la fonction qui la contient."""
    expected, got = explanation(error) or ("un graphe que Dagster sait charger", told(error))
    codes = [asset.op.compute_fn.decorated_fn.__code__ for asset in defs.assets or [] if hasattr(asset, "op")]
    blamed = [code for code in codes if any(f"« {name} »" in got for name in code.co_varnames[: code.co_argcount])]
    return StudentMistake(expected, got, *((blamed[0].co_filename, blamed[0].co_firstlineno) if blamed else ()))


def _name(key: dg.AssetKey) -> str:
    return key.to_user_string()
