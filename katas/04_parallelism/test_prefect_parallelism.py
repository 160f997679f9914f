"""Le temps n'est jamais mesuré : les entraînements se donnent rendez-vous, et l'on compte les présents."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from unittest.mock import ANY

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier import churn
from atelier.feedback.verdict import explain
from atelier.props.properties import property_of_function
from atelier.props.rendezvous import PATIENCE_SECONDS, Rendezvous, watching_waits

# Sur `holdout`, le meilleur (0.01) n'est ni le premier, ni le dernier, ni le meilleur sur `train` (100). -1 échoue.
CANDIDATES = [1.0, 0.01, 100.0, -1.0]
SLOW, FAST, BROKEN = 0.1, 10.0, -1.0


@pytest.fixture(scope="module")
def customers_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("customers") / "customers.csv"
    churn.load_customers().sample(400, random_state=0).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def split(customers_csv) -> tuple[pd.DataFrame, pd.DataFrame]:
    return churn.split_customers(churn.load_customers(customers_csv))


@pytest.fixture(scope="module")
def model(split):
    """Un modèle déjà entraîné, quand l'entraînement lui-même ne compte pas."""
    return churn.train_model(split[0])


@pytest.fixture
def announced(kata, monkeypatch) -> list[tuple[float, object]]:
    """Ce que le kata a annoncé jusqu'ici."""
    announced = []
    monkeypatch.setattr(kata, "announce", lambda C, outcome: announced.append((C, outcome)))
    return announced


@pytest.fixture
def select(kata, run, customers_csv, model, monkeypatch) -> Callable:
    """Lance le flow ; rend le plus grand nombre d'entraînements à la fois, celui de `FAST` à part, et le run."""

    def select(candidates: list[float]):
        rendezvous = Rendezvous(guests=sum(C != FAST for C in candidates))

        def meet(train: pd.DataFrame, *, C: float):
            with nullcontext() if C == FAST else rendezvous.attending():
                return model

        monkeypatch.setattr(churn, "train_model", meet)
        with rendezvous.watching():
            record = run(kata.select_model, candidates, customers_csv)
        return rendezvous.peak, record

    return select


@pytest.fixture
def race(kata, run, announced, once) -> Callable[[], tuple]:
    """Deux candidats : le rapide finit dès qu'on attend, le lent quand le flow a fait ce qu'il voulait du rapide.

    Rend le run, tout ce qui a été annoncé, et ce qui l'était quand le lent a fini.
    """
    return lambda: once("race", lambda: _race(kata.gather, run, announced))


@pytest.fixture
def select_with_a_failure(kata, run, customers_csv, once) -> Callable:
    """Lance le flow sur des candidats dont un échoue, et rend le run."""
    return lambda: once("selection", lambda: run(kata.select_model, CANDIDATES, customers_csv))


@dataclass(frozen=True)
class Dask:
    """Un cluster Dask de deux processus ; chaque entraînement y note le sien dans `folder`, et y attend l'autre."""

    address: str
    folder: Path

    def welcome(self, kata: ModuleType) -> None:
        """Oublie les entraînements d'avant. Le module voyagera avec ses fonctions : là-bas, rien ne l'importe."""
        import cloudpickle

        cloudpickle.register_pickle_by_value(kata)
        for path in self.folder.iterdir():
            path.unlink()

    def processes(self) -> set[int]:
        """Les processus où l'on a entraîné un modèle."""
        return {int(path.name) for path in self.folder.iterdir()}


@pytest.fixture(scope="session")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    from distributed import Client, LocalCluster

    folder = tmp_path_factory.mktemp("processes")
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(_train_two_at_a_time, folder)
        yield Dask(cluster.scheduler_address, folder)


@pytest.mark.todo(1)
def test_candidate_is_measured_on_holdout(kata, run, split):
    """Un candidat est jugé à son AUC, sur des clients qu'il n'a jamais vus."""
    train, holdout = split
    model = churn.train_model(train, C=0.01)
    expected = churn.evaluate_model(model, holdout)

    record = run(kata.train_candidate, train, holdout, 0.01)

    assert record.value == pytest.approx(expected["auc"]), explain(
        expected=f"l'AUC de ce candidat sur `holdout` : {expected['auc']:.4f}",
        got=_recognized(record, model, {"tous": pd.concat(split), "train": train, "holdout": holdout}),
    )


@pytest.mark.todo(2)
def test_candidate_is_announced_as_soon_as_it_ends(race):
    """Un candidat est annoncé dès qu'il finit, même si un autre, lancé avant lui, n'a pas fini."""
    record, announced, announced_before_slow = race()

    assert [C for C, _ in announced_before_slow] == [FAST], explain(
        expected=f"C = {FAST} annoncé pendant que C = {SLOW}, lancé avant lui, s'entraîne encore",
        got=f"à ce moment-là, annoncés : {announced_before_slow} ; à la fin, {_told(announced, record)}",
    )


@pytest.mark.todo(2)
def test_each_result_stays_with_its_candidate(race):
    """Chaque AUC est rangée, et annoncée une fois, sous le `C` de son candidat, dans quelque ordre qu'ils finissent."""
    expected = {SLOW: 0.7, FAST: 0.8}

    record, announced, _ = race()

    assert (record.value, _by_candidate(announced)) == ((expected, {}), _by_candidate(expected.items())), explain(
        expected=f"l'AUC de chacun, rangée et annoncée : {expected} ; aucun échec", got=_told(announced, record)
    )


@pytest.mark.todo(2)
def test_failure_is_reported_and_stops_nobody(kata, run, announced):
    """Un candidat qui échoue est annoncé, et rangé avec son erreur ; les autres sont gardés."""
    calls = {BROKEN: _run_out_of_memory, SLOW: lambda: 0.7, FAST: lambda: 0.8}

    record = run(_gathering(kata.gather, calls, first_ends_first=True))

    aucs, failures = {SLOW: 0.7, FAST: 0.8}, {BROKEN: Mention("plus de mémoire")}
    expected = ((aucs, failures), _by_candidate((aucs | failures).items()))
    assert (record.value, _by_candidate(announced)) == expected, explain(
        expected=f"les trois candidats annoncés ; deux AUC ; un échec, C = {BROKEN} : « plus de mémoire »",
        got=_told(announced, record),
    )


@pytest.mark.todo(3)
@property_of_function
@given(
    aucs=st.dictionaries(
        st.integers(-3, 3).map(lambda power: 10.0**power),
        st.integers(50, 99).map(lambda percent: percent / 100),
        min_size=1,
    )
)
def test_best_candidate_has_the_highest_auc(kata, aucs):
    """Le candidat choisi est celui dont l'AUC est la plus haute, même si d'autres ont échoué."""
    best = kata.choose(aucs, {BROKEN: "plus de mémoire"})

    assert aucs.get(best) == max(aucs.values()), explain(expected=f"le `C` du meilleur de {aucs}", got=best)


@pytest.mark.todo(3)
def test_nobody_left_is_an_error_that_says_why(kata):
    """Si personne n'a abouti, l'erreur dit pourquoi chacun a échoué."""
    failures = {BROKEN: "plus de mémoire", 0.0: "C est nul"}
    try:
        got = f"pas d'erreur, mais {kata.choose({}, failures)}"
    except Exception as error:
        got = f"{type(error).__name__} : {error}"

    assert all(reason in got for reason in failures.values()), explain(
        expected=f"une erreur qui cite les raisons : {', '.join(failures.values())}", got=got
    )


@pytest.mark.todo(3)
def test_flow_fails_when_every_candidate_fails(kata, run, customers_csv):
    """Si tous les candidats échouent, le flow échoue aussi."""
    record = run(kata.select_model, [BROKEN, 0.0], customers_csv)

    states = [attempt.state for attempt in record.task_runs]
    assert (record.state.name, states) == ("Failed", ["Failed", "Failed"]), explain(
        expected="deux task runs « Failed », puis un flow « Failed »", got=f"task runs : {states} ; un flow {record}"
    )


@pytest.mark.todo(4)
def test_never_more_than_three_at_once(select):
    """Il y a trois entraînements à la fois, jamais plus : la machine n'a pas une place par candidat."""
    peak, record = select([1.0, 0.1, 0.01, 0.001, 0.0001])

    assert peak == 3, explain(
        expected="cinq candidats, et au plus fort trois entraînements à la fois",
        got=f"au plus fort : {peak} ; un flow {record}",
    )


@pytest.mark.todo(5)
def test_candidates_train_at_the_same_time(select):
    """Deux candidats s'entraînent en même temps : le second n'attend pas la fin du premier."""
    peak, record = select([SLOW, 1.0])

    assert peak == 2, explain(
        expected="le second candidat commence avant que le premier ait fini",
        got=f"entraînements à la fois, au plus fort : {peak} ; un flow {record}",
    )


@pytest.mark.todo(5)
def test_free_place_is_taken_at_once(select):
    """Dès qu'un entraînement finit, un autre prend sa place, sans attendre la fin des deux qui restent."""
    peak, record = select([FAST, 1.0, SLOW, 0.01])

    assert peak == 3, explain(
        expected=f"C = {FAST} fini, les trois autres s'entraînent en même temps",
        got=f"au plus fort : {peak} ; un flow {record}",
    )


@pytest.mark.todo(5)
def test_prefect_knows_every_candidate(select_with_a_failure):
    """Chaque candidat est un task run, « Failed » s'il échoue ; le flow aboutit quand même."""
    expected = Counter(Completed=3, Failed=1)

    record = select_with_a_failure()

    states = Counter(attempt.state for attempt in record.of("train_candidate"))
    assert (record.state.name, states) == ("Completed", expected), explain(
        expected=f"un flow « Completed » ; task runs de train_candidate : {_counted(expected)}",
        got=f"un flow {record} ; task runs de train_candidate : {_counted(states)}",
    )


@pytest.mark.todo(5)
def test_flow_selects_the_best_on_holdout(select_with_a_failure, split):
    """Le flow rend le meilleur candidat, l'AUC de chacun et l'erreur de celui qui échoue."""
    train, holdout = split
    models = {C: churn.train_model(train, C=C) for C in CANDIDATES if C != BROKEN}
    expected = {C: churn.evaluate_model(model, holdout)["auc"] for C, model in models.items()}

    record = select_with_a_failure()

    chosen = {name: getattr(record.value, name, None) for name in ("best", "aucs", "failures")}
    assert chosen == {"best": 0.01, "aucs": pytest.approx(expected), "failures": {BROKEN: ANY}}, explain(
        expected=f"le meilleur : 0.01 ; AUC : {_rounded(expected)} ; un échec : {BROKEN}", got=_chosen(record)
    )


@pytest.mark.bonus
@pytest.mark.timeout(300)  # sur une machine chargée, un cluster est long à naître
@pytest.mark.todo(5)
def test_same_flow_runs_in_other_processes(kata, run, customers_csv, dask):
    """Le même flow, confié à un cluster Dask : ses tasks s'exécutent en même temps dans deux autres processus."""
    from prefect_dask import DaskTaskRunner

    dask.welcome(kata)
    on_dask = kata.select_model.with_options(task_runner=DaskTaskRunner(address=dask.address))

    record = run(on_dask, [0.01, 1.0, BROKEN], customers_csv)

    processes = dask.processes()
    got = (record.value, len(processes - {os.getpid()}))
    assert got == (kata.Selection(0.01, ANY, {BROKEN: ANY}), 2), explain(
        expected=f"le meilleur : 0.01 ; un échec : {BROKEN} ; deux processus, et pas celui-ci",
        got=f"{_chosen(record)} ; processus : {processes or 'aucun'}, et celui-ci est {os.getpid()}",
    )


class Mention:
    """Égal à tout ce qui, écrit, contient `text` : une erreur, son texte, une phrase qui la cite."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return self.text in str(other)

    __hash__ = None


def _race(gather: Callable, run: Callable, announced: list):
    flow_waits, fast_is_old_news, before = threading.Event(), threading.Event(), []

    def note_wait(alone: bool) -> None:
        if alone or flow_waits.is_set():
            fast_is_old_news.set()
        flow_waits.set()

    def fast() -> float:
        flow_waits.wait(PATIENCE_SECONDS)
        return 0.8

    def slow() -> float:
        fast_is_old_news.wait(PATIENCE_SECONDS)
        before.extend(announced)
        return 0.7

    with watching_waits(note_wait):
        record = run(_gathering(gather, {SLOW: slow, FAST: fast}))
    return record, announced, before


def _gathering(gather: Callable, calls: dict[float, Callable[[], float]], *, first_ends_first: bool = False):
    """Un flow qui donne à `gather` un task run par appel ; le premier peut finir avant que les autres ne partent."""
    from prefect import flow, task

    @task
    def compute(call: Callable[[], float]) -> float:
        return call()

    @flow
    def gathering():
        futures = {}
        for C, call in calls.items():
            future = compute.submit(call)
            if first_ends_first and not futures:
                future.wait()
            futures[future] = C
        return gather(futures)

    return gathering


def _train_two_at_a_time(folder: Path) -> None:
    """Dans un processus du cluster : fait les imports d'avance, et place le rendez-vous dans `train_model`."""
    import prefect_dask  # noqa: F401
    import sklearn.linear_model
    import sklearn.metrics  # noqa: F401

    train_model = churn.train_model

    def meet_then_train(train: pd.DataFrame, *, C: float):
        (folder / str(os.getpid())).touch()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len([*folder.iterdir()]) < 2:
            if time.monotonic() > deadline:
                raise TimeoutError("l'autre processus n'est pas venu")
            time.sleep(0.02)
        return train_model(train, C=C)

    churn.train_model = meet_then_train


def _run_out_of_memory() -> float:
    raise MemoryError("plus de mémoire")


def _told(announced: list[tuple[float, object]], record) -> str:
    gathered = f"rendus : {record.value}" if record.error is None else f"un flow {record}"
    return f"annoncés : {announced} ; {gathered}"


def _counted(states: Counter[str]) -> str:
    return " et ".join(f"{count} « {state} »" for state, count in sorted(states.items())) or "aucun"


def _by_candidate(pairs: Iterable[tuple[float, object]]) -> list[tuple[float, object]]:
    return sorted(pairs, key=lambda pair: str(pair[0]))


def _chosen(record) -> str:
    selection = record.value
    if not hasattr(selection, "aucs"):
        return f"un flow {record}, qui rend {selection}"
    failures = [*selection.failures] or "aucun"
    return f"le meilleur : {selection.best} ; AUC : {_rounded(selection.aucs)} ; échecs : {failures}"


def _rounded(aucs: dict[float, float]) -> dict[float, float]:
    return {C: round(auc, 4) if isinstance(auc, float) else auc for C, auc in aucs.items()}


def _recognized(record, model, tables: dict[str, pd.DataFrame]) -> str:
    """La valeur obtenue et, si on la reconnaît, ce qu'elle mesure en vérité."""
    measures = {
        value: f", c'est-à-dire `{name}` sur les clients de `{place}`"
        for place, table in tables.items()
        for name, value in churn.evaluate_model(model, table).items()
    }
    is_number = isinstance(record.value, float)
    return f"{record.value:.4f}{measures.get(record.value, '')}" if is_number else f"{record.value}, {record}"
