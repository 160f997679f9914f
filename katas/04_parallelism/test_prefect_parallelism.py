"""Le temps n'est jamais mesuré : les entraînements se donnent rendez-vous, et l'on compte les présents."""

import itertools
import os
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import ANY, patch

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atelier import churn
from atelier.feedback.verdict import explain
from atelier.props.properties import property_of_function
from atelier.props.rendezvous import PATIENCE_SECONDS, Rendezvous, watching_waits

# Sur `holdout`, le meilleur (0.01) n'est ni le premier, ni le dernier, ni le meilleur sur `train` (100). -1 échoue.
CANDIDATES = [1.0, 0.01, 100.0, -1.0]
# La seconde fois, d'autres candidats, et le même échec ; le meilleur, 0.0027182818, a beaucoup de décimales.
OTHERS = [30.0, 0.0027182818, 0.0, -1.0]
REFUSED = [-1.0, 0.0]
SLOW, FAST, BROKEN = 0.1, 10.0, -1.0
# Une AUC nulle en est une ; l'autre ne s'écrit pas en deux décimales.
RACE = {SLOW: 0.0, FAST: 0.8123456789}
LONG_REASON = "plus de mémoire : " + "64 Gio demandés, " * 6 + "refusés\nlibérez-en, ou choisissez un modèle plus petit"
FIVE = [1.0, 0.1, 0.01, 0.001, 0.0001]
# Le temps qu'un `add_done_callback` mette à annoncer un candidat fini ; on n'attend que si ce n'est pas déjà fait.
CALLBACK_SECONDS = 1.0


@pytest.fixture(scope="module")
def customers_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("customers") / "customers.csv"
    churn.load_customers().sample(400, random_state=0).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def other_customers(customers_csv) -> pd.DataFrame:
    """D'autres clients, pour la seconde fois : de quoi voir ce qui reste de la première."""
    return churn.load_customers().sample(300, random_state=1)


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
    """Lance le flow ; rend le plus grand nombre d'entraînements à la fois, celui de `FAST` à part, et ce qu'on en dit.

    `places` remplace le réglage du flow ; `late` reçoit les candidats dont l'entraînement a attendu `gather` en vain.
    """

    def select(candidates: list[float], places: int | None = None, late: list[float] | None = None) -> tuple[int, str]:
        from prefect.task_runners import ThreadPoolTaskRunner

        rendezvous, trained = Rendezvous(guests=sum(C != FAST for C in candidates)), []
        gather, gathered = kata.gather, threading.Event()
        monkeypatch.setattr(kata, "gather", lambda *futures, **named: gathered.set() or gather(*futures, **named))

        def meet(train: pd.DataFrame, *, C: float):
            trained.append(C)
            with nullcontext() if C == FAST else rendezvous.attending():
                pass
            if late is not None and C != FAST and not gathered.wait(PATIENCE_SECONDS):
                late.append(C)
            return model

        monkeypatch.setattr(churn, "train_model", meet)
        flow = kata.select_model
        if places and hasattr(flow, "with_options"):  # sinon `run` dira mieux que ce n'est pas un flow
            flow = flow.with_options(task_runner=ThreadPoolTaskRunner(max_workers=places))
        with rendezvous.watching():
            record = run(flow, candidates, customers_csv)
        if late and not gathered.is_set():
            late.clear()  # le kata l'appelle sous un autre nom : on n'en sait rien
        never = [f"C = {C}" for C in candidates if C not in trained]
        told = f"au plus fort : {rendezvous.peak} ; un flow {record}"
        return rendezvous.peak, f"jamais entraînés : {', '.join(never)} ; {told}" if never else told

    return select


@pytest.fixture
def with_five_places(select, once) -> Callable[[], tuple[int, str]]:
    """Le flow, cinq candidats, et autant de places."""
    return lambda: once("five places", lambda: select(FIVE, places=5))


@pytest.fixture
def race(kata, run, announced, clock, once) -> Callable[[], tuple]:
    """Deux candidats : le rapide finit dès qu'on attend, le lent quand le flow a fait ce qu'il voulait du rapide.

    Rend le run, tout ce qui a été annoncé, ce qui l'était quand le lent a fini, et les `sleep` du kata.
    """
    return lambda: once("race", lambda: (*_race(kata.gather, run, announced), clock.student_waits))


@pytest.fixture
def selections(kata, run, customers_csv, other_customers, tmp_path, once) -> Callable[[], list]:
    """Lance le flow deux fois ; la seconde, le fichier et les candidats ont changé. Un candidat échoue chaque fois."""

    def select_twice() -> list:
        path = tmp_path / "customers.csv"
        path.write_bytes(customers_csv.read_bytes())
        first = run(kata.select_model, CANDIDATES, path)
        other_customers.to_csv(path, index=False)
        return [first, run(kata.select_model, OTHERS, path)]

    return lambda: once("selections", select_twice)


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
def test_candidate_is_measured_on_holdout(kata, run, split, other_customers):
    """Un candidat est jugé à son AUC, sur des clients qu'il n'a jamais vus."""
    train, holdout = split
    opposite = holdout.assign(
        **{churn.TARGET: 1 - holdout[churn.TARGET]}
    )  # le modèle s'y trompe plus d'une fois sur deux
    for learned, unseen in ((train, holdout), (train, other_customers), (holdout, train), (train, opposite)):
        model = churn.train_model(learned, C=0.01)
        expected = churn.evaluate_model(model, unseen)

        record = run(kata.train_candidate, learned.copy(), unseen.copy(), 0.01)

        assert record.value == pytest.approx(expected["auc"], rel=1e-12), explain(
            expected=f"l'AUC de ce candidat sur `holdout` : {expected['auc']!r}",
            got=_recognized(record, model, {"tous": pd.concat([learned, unseen]), "train": learned, "holdout": unseen}),
        )

    for trouble, inputs in {
        "une colonne manque à `holdout`, ce candidat ne se mesure pas": (
            train.copy(),
            holdout.drop(columns=churn.FEATURES[0]),
            0.01,
        ),
        f"C = {BROKEN}, que scikit-learn refuse": (train.copy(), holdout.copy(), BROKEN),
        "`train` n'est pas un tableau": (None, holdout.copy(), 0.01),
    }.items():
        record = run(kata.train_candidate, *inputs)
        assert record.state.name == "Failed", explain(
            expected=f"{trouble} : une task « Failed »", got=f"une task {record}, qui rend {record.value!r}"
        )


@pytest.mark.todo(2)
def test_candidate_is_announced_as_soon_as_it_ends(race):
    """Un candidat est annoncé dès qu'il finit, même si un autre, lancé avant lui, n'a pas fini."""
    record, announced, announced_before_slow, own_waits = race()

    before, gave_up = [C for C, _ in announced_before_slow], isinstance(record.error, TimeoutError)
    assert (before, gave_up) == ([FAST], False), explain(
        expected=f"C = {FAST} annoncé pendant que C = {SLOW}, lancé avant lui, s'entraîne encore",
        got=f"à ce moment-là, annoncés : {announced_before_slow} ; à la fin, {_told(announced, record)}",
    )
    assert not own_waits, explain(
        expected="une annonce que rien ne retarde", got=f"`gather` dort : des `sleep` de {own_waits[:3]} s"
    )


@pytest.mark.todo(2)
def test_each_result_stays_with_its_candidate(race):
    """Chaque AUC est rangée, et annoncée une fois, sous le `C` de son candidat, dans quelque ordre qu'ils finissent."""
    expected = RACE

    record, announced, *_ = race()

    assert (record.value, _by_candidate(announced)) == ((expected, {}), _by_candidate(expected.items())), explain(
        expected=f"l'AUC de chacun, rangée et annoncée : {expected} ; aucun échec", got=_told(announced, record)
    )


@pytest.mark.todo(2)
def test_failure_is_reported_and_stops_nobody(kata, run, announced):
    """Un candidat qui échoue est annoncé, et rangé avec le texte de son erreur, entier ; les autres sont gardés."""
    refused = Refused("C est négatif")
    refused.__cause__ = ValueError("une autre erreur, qui l'a causée")
    reasons = {BROKEN: MemoryError(LONG_REASON), -2.0: OSError(28, "disque plein"), -3.0: refused, -4.0: MemoryError()}
    aucs = {SLOW: 0.7, FAST: 0.8, 0.00012: 0.6}
    calls = {C: partial(_raise, error) for C, error in reasons.items()}
    calls |= {C: partial(float, auc) for C, auc in aucs.items()}

    record = run(_gathering(kata.gather, calls, first_ends_first=True))

    if isinstance(record.value, tuple) and isinstance(record.value[1], dict):
        kept = record.value[1]
        wrong = next((C for C in kept if C in reasons and not isinstance(kept[C], str)), None)
        assert wrong is None, explain(
            expected=f"dans `failures`, le texte de l'erreur de C = {wrong}",
            got=f"autre chose qu'un texte : {type(kept[wrong]).__name__}" if wrong is not None else "",
        )
    texts = {C: Mention(str(error)) for C, error in reasons.items()}
    expected = ((aucs, texts), _by_candidate((aucs | texts).items()))
    assert (record.value, _by_candidate(announced)) == expected, explain(
        expected=f"{len(calls)} candidats annoncés ; {len(aucs)} AUC, {aucs} ; {len(reasons)} échecs, chacun avec le "
        f"texte entier de son erreur : {', '.join(f'C = {C}' for C in reasons)}",
        got=_told_failures(announced, record, reasons),
    )


@pytest.mark.todo(2)
def test_second_gathering_starts_from_nothing(kata, run, announced):
    """Appelée une seconde fois, `gather` ne rend rien de la première."""
    first = {SLOW: partial(float, 0.7), BROKEN: partial(_raise, ValueError("C est négatif"))}

    record = run(_gathering(kata.gather, first, {FAST: partial(float, 0.6), BROKEN: partial(float, 0.5)}))

    expected = {FAST: 0.6, BROKEN: 0.5}
    assert record.value == (expected, {}), explain(
        expected=f"la seconde fois, deux candidats, dont un de la première, et leurs AUC : {expected} ; aucun échec",
        got=f"rendus : {record.value}" if record.error is None else f"un flow {record}",
    )


# Des AUC que l'on ne distingue qu'à la neuvième décimale, d'autres sous 0.5, ou nulles.
AUCS = st.one_of(
    st.integers(0, 3).map(lambda rank: 0.85 + rank * 1e-9),
    st.sampled_from([0.0, 0.3, 0.5, 0.8512, 1.0]),
    st.integers(0, 10**6).map(lambda millionth: millionth / 10**6),
)


@pytest.mark.todo(3)
@property_of_function
@given(
    aucs=st.dictionaries(st.integers(-3, 3).map(lambda power: 10.0**power), AUCS, min_size=1),
    failed=st.integers(0, 3),
)
@example(aucs={1.0: 0.85, 0.1: 0.850000001, 10.0: 0.3}, failed=2)
@example(aucs={0.01: 0.0}, failed=0)
def test_best_candidate_has_the_highest_auc(kata, aucs, failed):
    """Le candidat choisi est celui dont l'AUC est la plus haute, même si d'autres ont échoué."""
    failures = {-1.0 - rank: "plus de mémoire" for rank in range(failed)}
    try:
        best = kata.choose(dict(aucs), failures)
    except NotImplementedError:
        raise
    except Exception as error:
        best = f"{type(error).__name__} : {error}"

    found = aucs.get(best) if isinstance(best, float) else None
    assert found == max(aucs.values()), explain(
        expected=f"le `C` du meilleur de {aucs}, quand {failed or 'aucun'} autre a échoué",
        got="rien" if best is None else best,
    )


@pytest.mark.todo(3)
def test_nobody_left_is_an_error_that_says_why(kata):
    """Si personne n'a abouti, l'erreur dit pourquoi chacun a échoué."""
    many = {-float(rank): f"raison {rank} : {rank} Gio demandés, et la machine n'en a plus" for rank in range(1, 41)}
    for failures in ({BROKEN: "plus de mémoire :\n3 Gio demandés", 0.0: "C est nul"}, many, {}):
        try:
            chosen = kata.choose({}, dict(failures))
            got = "pas d'erreur, et rien n'est rendu" if chosen is None else f"pas d'erreur, mais {chosen}"
        except NotImplementedError:
            raise
        except Exception as error:
            got = "".join(traceback.format_exception_only(error)).strip()

        # Une raison de plusieurs lignes peut être citée telle quelle, ou comme l'écrit un dictionnaire.
        written = got.replace("\\n", "\n")
        missing = [reason for reason in failures.values() if reason not in written]
        if not failures and got.startswith("pas d'erreur"):
            missing = ["sans un seul candidat, il ne reste personne"]
        assert not missing, explain(
            expected=f"une erreur qui cite les {len(failures)} raisons ; manquent : {', '.join(missing)[:200]}"
            if failures
            else f"{missing[0]} : une erreur",
            got=got if len(got) < 200 else f"{got[:80]} […] {got[-80:]}",
        )


@pytest.mark.todo(3)
def test_flow_fails_when_every_candidate_fails(kata, run, customers_csv):
    """Si tous les candidats échouent, le flow échoue aussi."""
    for candidates in (REFUSED, []):
        record = run(kata.select_model, candidates, customers_csv)

        states = Counter(attempt.state for attempt in record.task_runs)
        elsewhere = "" if states.total() == len(candidates) else " (le flow n'a pas lancé chaque candidat : TODO 5)"
        if "Completed" in states:
            elsewhere = " (la task cache son échec : TODO 1)"
        expected = Counter(Failed=len(candidates)) if candidates else Counter()
        assert (record.state.name, states) == ("Failed", expected), explain(
            expected=f"candidats : {candidates} ; task runs : {_counted(expected)}, puis un flow « Failed »",
            got=f"task runs : {_counted(states)}{elsewhere} ; un flow {record}",
        )


@pytest.mark.todo(4)
def test_never_more_than_three_at_once(select, with_five_places):
    """Il y a trois entraînements à la fois, jamais plus, et c'est un réglage du flow."""
    peak, told = select(FIVE)

    alone = " (un seul à la fois : si `max_workers` est bien 3, voyez le TODO 5, ou un verrou)" if peak == 1 else ""
    assert peak == 3, explain(
        expected="cinq candidats, et au plus fort trois entraînements à la fois", got=f"{told}{alone}"
    )
    peak, told = with_five_places()
    assert peak == 5, explain(
        expected="réglé par `with_options` sur cinq places, le même flow entraîne les cinq candidats à la fois",
        got=f"{told} : ce n'est pas le réglage du flow qui limite, mais son code",
    )


@pytest.mark.todo(5)
def test_candidates_train_at_the_same_time(with_five_places):
    """Les candidats s'entraînent en même temps : le second n'attend pas la fin du premier."""
    peak, told = with_five_places()

    assert peak > 1, explain(
        expected="cinq places, et le second candidat commence avant que le premier ait fini", got=told
    )


@pytest.mark.todo(5)
def test_free_place_is_taken_at_once(select, clock):
    """Dès qu'un entraînement finit, un autre prend sa place, sans attendre la fin des deux qui restent."""
    late: list[float] = []
    peak, told = select([FAST, 1.0, SLOW, 0.01], late=late)

    assert peak == 3, explain(expected=f"C = {FAST} fini, les trois autres s'entraînent en même temps", got=told)
    assert not late, explain(
        expected="`gather` reçoit les candidats pendant qu'ils s'entraînent",
        got="le flow les attend d'abord lui-même : ils avaient tous fini",
    )
    assert not clock.student_waits, explain(
        expected="un flow qui n'attend que ses candidats", got=f"des `sleep` de {clock.student_waits[:3]} s"
    )


@pytest.mark.todo(5)
def test_prefect_knows_every_candidate(selections):
    """Chaque candidat est un task run, « Failed » s'il échoue ; le flow aboutit quand même."""
    expected = Counter(Completed=3, Failed=1)

    record, _ = selections()

    states = Counter(attempt.state for attempt in record.of("train_candidate"))
    assert (record.state.name, states) == ("Completed", expected), explain(
        expected=f"un flow « Completed » ; task runs de train_candidate : {_counted(expected)}",
        got=f"un flow {record} ; task runs de train_candidate : {_counted(states)}",
    )


@pytest.mark.todo(5)
def test_flow_selects_the_best_on_holdout(selections, split):
    """Le flow rend le meilleur candidat, l'AUC de chacun et l'erreur de celui qui échoue."""
    assert_selected(selections()[0], CANDIDATES, split, best=0.01)


@pytest.mark.todo(5)
def test_second_selection_owes_nothing_to_the_first(selections, other_customers):
    """Relancé sur d'autres candidats, et d'autres clients au même endroit, le flow ne garde rien du run d'avant."""
    assert_selected(selections()[1], OTHERS, churn.split_customers(other_customers), best=None)


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


def assert_selected(record, candidates: list[float], split: tuple, best: float | None) -> None:
    train, holdout = split
    aucs, failures = {}, {}
    for C in candidates:
        try:
            aucs[C] = churn.evaluate_model(churn.train_model(train, C=C), holdout)["auc"]
        except ValueError as error:
            failures[C] = Mention(str(error))
    winner = max(aucs, key=aucs.get)
    assert best in (None, winner)  # le test lui-même se tromperait

    chosen = {name: getattr(record.value, name, None) for name in ("best", "aucs", "failures")}
    assert chosen == {"best": winner, "aucs": pytest.approx(aucs), "failures": failures}, explain(
        expected=f"le meilleur : {winner} ; AUC : {_rounded(aucs)} ; échecs : {[*failures]}", got=_chosen(record)
    )


class Refused(Exception):
    """Une erreur que personne ne peut avoir prévue."""


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
        return RACE[FAST]

    def slow() -> float:
        # Plus longtemps que le rapide : le flow attend peut-être d'une façon que l'on ne voit pas.
        fast_is_old_news.wait(2 * PATIENCE_SECONDS)
        deadline = time.monotonic() + CALLBACK_SECONDS
        while not announced and time.monotonic() < deadline:
            time.sleep(0.01)
        before.extend(announced)
        return RACE[SLOW]

    # À chaque regard sur l'horloge, une heure a passé : qui n'attend qu'un certain temps renonce aussitôt.
    hours = itertools.count()
    hurried = SimpleNamespace(**vars(time) | {"monotonic": lambda: 3600.0 * next(hours)})
    with watching_waits(note_wait), patch("prefect.futures.time", hurried):
        record = run(_gathering(gather, {SLOW: slow, FAST: fast}))
    return record, announced, before


def _gathering(gather: Callable, *rounds: dict[float, Callable[[], float]], first_ends_first: bool = False):
    """Un flow qui donne à `gather` un task run par appel ; le premier peut finir avant que les autres ne partent.

    Une fois par dictionnaire de `rounds` : le flow rend ce que `gather` a rendu la dernière.
    """
    from prefect import flow, task

    @task
    def compute(call: Callable[[], float]) -> float:
        return call()

    def gathered(calls: dict[float, Callable[[], float]]):
        futures = {}
        for C, call in calls.items():
            future = compute.submit(call)
            if first_ends_first and not futures:
                future.wait()
            futures[future] = C
        return gather(futures)

    @flow
    def gathering():
        return [gathered(calls) for calls in rounds][-1]

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


def _raise(error: Exception) -> float:
    raise error


def _told(announced: list[tuple[float, object]], record) -> str:
    gathered = f"rendus : {record.value}" if record.error is None else f"un flow {record}"
    if isinstance(record.error, TimeoutError):
        gathered = "un flow « Failed » : `gather` a cessé d'attendre un candidat qui s'entraînait encore"
    return f"annoncés : {announced} ; {gathered}"


def _told_failures(announced: list[tuple[float, object]], record, reasons: dict[float, Exception]) -> str:
    """Ce qui est rendu ; d'une erreur coupée, ce qui en reste."""
    if isinstance(record.value, tuple) and isinstance(record.value[1], dict):
        kept = record.value[1]
        for C, error in reasons.items():
            if C in kept and str(error) not in kept[C]:
                start, end = str(error).split()[:3], str(error).split()[-3:]
                return f"C = {C} : « {kept[C]} », au lieu de « {' '.join(start)} … {' '.join(end)} »"
        return f"annoncés : {sorted(C for C, _ in announced)} ; AUC : {record.value[0]} ; échecs : {sorted(kept)}"
    return _told([(C, type(outcome).__name__) for C, outcome in announced], record)


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
    return f"{record.value!r}{measures.get(record.value, '')}" if is_number else f"{record.value}, {record}"
