"""Le pipeline s'exécute sur un vrai serveur Prefect ; les tests relisent ce que le serveur a enregistré."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from atelier import churn
from atelier.feedback.verdict import explain
from atelier.sandbox.mistakes import StudentMistake

if TYPE_CHECKING:
    from atelier.prefect.probe import RunRecord

STEPS = ["load_customers", "train_model", "evaluate_model"]
# Les clients partis, sur 40, avec lesquels une étape échoue : de deux, le découpage n'en laisse aucun pour la mesure.
LEAVING = {"train_model": 0, "evaluate_model": 2}


@dataclass(frozen=True)
class History:
    """Six runs de suite du même module, chacun fait quand un test en a besoin, et après celui d'avant."""

    loaded: ModuleType
    run: Callable
    once: Callable
    path: Path

    @property
    def kata(self) -> ModuleType:
        """Le module qui fait ces runs : celui du premier test qui en a besoin."""
        return self.once("kata", lambda: self.loaded)

    def usual(self) -> "RunRecord":
        """Sans argument : les clients de l'atelier."""
        return self._made("usual")

    def first(self) -> "RunRecord":
        """Un fichier qui ressemble à celui de l'atelier."""
        self.usual()
        return self._made("first", _lookalikes())

    def readers(self) -> set[str]:
        """Qui a ouvert ce fichier, pendant ce run et ceux d'après."""
        self.first()
        return self.once("readers", set)

    def again(self) -> "RunRecord":
        """D'autres clients, sous le même nom."""
        self.first()
        return self._made("again", _some_customers(11))

    def failures(self) -> dict[str, "RunRecord"]:
        """Au même endroit, des clients avec lesquels une étape échoue, puis l'autre."""
        self.again()
        return {step: self._made(step, _forty_customers(gone)) for step, gone in LEAVING.items()}

    def missing(self) -> "RunRecord":
        """Le fichier a disparu."""
        self.failures()
        self.path.unlink(missing_ok=True)
        return self.once("missing", lambda: _call(self.run, self.kata.churn_pipeline, self.path))

    def _made(self, name: str, customers: pd.DataFrame | None = None) -> "RunRecord":
        def make() -> "RunRecord":
            if customers is None:
                return _call(self.run, self.kata.churn_pipeline)
            customers.to_csv(self.path, index=False)
            with _noting_readers(self.path, self.once("readers", set)):
                return _call(self.run, self.kata.churn_pipeline, self.path)

        return self.once(name, make)


class _Watch:
    """Le fichier que l'on surveille, et qui l'a ouvert : la task en cours, ou le flow."""

    path: str | None = None
    readers: set[str]

    def __call__(self, event: str, arguments: tuple) -> None:
        """Python l'appelle à chaque ouverture d'un fichier, entre autres."""
        if event == "open" and self.path and str(arguments[0]) == self.path:
            from prefect.context import TaskRunContext

            context = TaskRunContext.get()
            self.readers.add(context.task.fn.__name__ if context else "churn_pipeline")


_watch = _Watch()
sys.addaudithook(_watch)  # jusqu'à la fin du processus : Python ne sait pas le retirer


@contextmanager
def _noting_readers(path: Path, readers: set[str]) -> Iterator[None]:
    _watch.path, _watch.readers = str(path), readers
    try:
        yield
    finally:
        _watch.path = None


@pytest.fixture
def history(kata, run, once, customers_csv) -> History:
    return History(kata, run, once, customers_csv)


@pytest.fixture(scope="module")
def customers_csv(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("history") / "customers.csv"


@pytest.mark.todo(1)
def test_each_step_is_a_task(kata, run, tmp_path):
    """Chacune des trois étapes est une task : Prefect en connaît chaque exécution."""
    _some_customers(7).to_csv(tmp_path / "customers.csv", index=False)
    customers = _call(run, kata.load_customers, path=tmp_path / "customers.csv")
    model = _call(run, kata.train_model, customers=customers.value)
    metrics = _call(run, kata.evaluate_model, model=model.value, customers=customers.value)

    records = dict(zip(STEPS, (customers, model, metrics), strict=True))
    kinds = {step: "un flow" if record.flow_run_id else "une task" for step, record in records.items()}
    assert set(kinds.values()) == {"une task"}, explain(
        expected=f"une task pour chaque étape : {', '.join(STEPS)}",
        got=", ".join(f"{step} est {kind}" for step, kind in kinds.items()),
    )


@pytest.mark.todo(1)
def test_each_step_lets_its_errors_through(kata, run, tmp_path):
    """Une étape échoue dès qu'une erreur l'arrête, quelle que soit cette erreur."""
    customers, misfilled = _some_customers(8), tmp_path / "misfilled.csv"
    customers.assign(age="").to_csv(misfilled, index=False)
    broken = [
        ("load_customers", {"path": tmp_path}, "un dossier à lire"),
        ("load_customers", {"path": None}, "rien à lire"),
        ("load_customers", {"path": misfilled}, "un fichier mal rempli"),
        ("train_model", {"customers": None}, "aucun tableau de clients"),
        ("evaluate_model", {"model": None, "customers": customers}, "aucun modèle"),
        ("evaluate_model", {"model": _trained(customers), "customers": None}, "aucun tableau de clients"),
    ]
    for step, arguments, given in broken:
        record = _call(run, getattr(kata, step), **arguments)

        assert record.state.name == "Failed", explain(
            expected=f"{step} « Failed » : on lui a donné {given}",
            got=f"{step} « {record.state.name} », qui rend {_shown(record.value)}",
        )


@pytest.mark.todo(2)
def test_pipeline_is_a_flow(history):
    """Le pipeline est un flow : Prefect garde une trace de chaque exécution."""
    record = history.first()

    assert record.flow_run_id is not None, explain(
        expected="« churn_pipeline » est un flow, que l'interface montre dans « Runs »", got="une task"
    )


@pytest.mark.todo(3)
def test_pipeline_calls_each_step_once(history):
    """Le flow aboutit, et chaque étape y figure une fois."""
    for where, record in (("sans argument", history.usual()), ("sur un autre fichier", history.first())):
        steps = [attempt.task for attempt in record.task_runs if attempt.task in STEPS]
        assert (record.state.name, steps) == ("Completed", STEPS), explain(
            expected=f"{where}, un flow « Completed » ; task runs : {', '.join(STEPS)}",
            got=f"un flow {record} ; task runs : {', '.join(steps) or 'aucun'}{_left_plain(history.kata)}",
        )


@pytest.mark.todo(3)
def test_data_passes_from_step_to_step(history):
    """Chaque étape reçoit, tel quel, ce que rend la précédente : c'est le graphe que dessine l'interface."""
    record = history.first()

    names = {attempt.id: attempt.task for attempt in record.task_runs}
    received = {
        f"{name} de {attempt.task}": names.get(source, "une autre task")
        for attempt in record.task_runs
        if attempt.task in STEPS
        for name, sources in attempt.inputs.items()
        # Une task peut aussi en attendre une autre, par `wait_for` : cette flèche-là ne porte pas de données.
        if name != "wait_for"
        for source in sources
    }
    expected = {
        "customers de train_model": "load_customers",
        "model de evaluate_model": "train_model",
        "customers de evaluate_model": "load_customers",
    }
    assert received == expected, explain(
        expected="train_model reçoit les clients de load_customers ; evaluate_model, ces mêmes clients et le modèle ; "
        "une copie ou un extrait n'a plus de flèche",
        got=f"{_arrows(received)}{_ending(record)}{_left_plain(history.kata)}",
    )


@pytest.mark.todo(3)
def test_metrics_are_those_of_the_model(history):
    """Le flow rend les mesures du modèle, sur les clients de l'atelier si on ne lui dit rien."""
    record, expected = history.usual(), _metrics(_all_customers())

    assert record.value == pytest.approx(expected), explain(
        expected=f"les mesures recalculées sur les clients de l'atelier : {_shown(expected)}",
        got=f"{_shown(record.value)}{_ending(record)}",
    )


@pytest.mark.todo(3)
def test_second_run_starts_from_scratch(history):
    """Un run relit tout : le flow ne garde rien de celui d'avant, même si le fichier porte le même nom."""
    record, expected = history.first(), _metrics(_lookalikes())

    is_old = record.value == pytest.approx(history.usual().value)
    assert record.value == pytest.approx(expected), explain(
        expected=f"au second run, sur un autre fichier : {_shown(expected)}",
        got=f"{_shown(record.value)}{', les mesures du premier run' if is_old else ''}{_ending(record)}",
    )
    again, before, expected = history.again(), expected, _metrics(_some_customers(11))
    is_old = again.value == pytest.approx(before)
    assert again.value == pytest.approx(expected), explain(
        expected=f"au troisième run, le contenu du même fichier a changé : {_shown(expected)}",
        got=f"{_shown(again.value)}{', les mesures du second run' if is_old else ''}{_ending(again)}",
    )


@pytest.mark.todo(3)
def test_step_uses_only_what_it_receives(history, run):
    """Une étape ne se sert que de ce qu'on lui donne, et le laisse tel quel : ni variable globale, ni fichier relu."""
    readers = history.readers() & {*STEPS[1:], "churn_pipeline"}
    assert not readers, explain(
        expected="load_customers lit le fichier, et personne d'autre", got=f"lu aussi par {', '.join(sorted(readers))}"
    )
    kata, customers, others = history.kata, _some_customers(9), _some_customers(10)
    model = _trained(customers)

    record, expected = _call(run, kata.evaluate_model, model, others), _measured(model, others)
    assert record.value == pytest.approx(expected), explain(
        expected=f"après un run, evaluate_model mesure le modèle et les clients qu'on lui donne : {_shown(expected)}",
        got=f"{_shown(record.value)} : un autre modèle, ou d'autres clients{_ending(record)}",
    )
    record, expected = _call(run, kata.train_model, customers), _measured(model, customers)
    metrics = _measured(record.value, customers) if hasattr(record.value, "predict") else record.value
    assert metrics == pytest.approx(expected), explain(
        expected=f"après un run, train_model apprend des clients qu'on lui donne : {_shown(expected)}",
        got=f"{_shown(metrics)} : il a appris d'autres clients{_ending(record)}",
    )
    given = {"train_model": (customers, _some_customers(9)), "evaluate_model": (others, _some_customers(10))}
    changed = [step for step, (now, before) in given.items() if not now.equals(before)]
    assert not changed, explain(
        expected="les clients donnés à une étape, les mêmes après elle", got=f"changés par {', '.join(changed)}"
    )


@pytest.mark.todo(3)
def test_missing_file_fails_the_flow(history):
    """Un fichier absent arrête tout : le flow échoue, rien ne s'entraîne."""
    record = history.missing()

    assert (record.state.name, _ran(record)) == ("Failed", {"load_customers": "Failed"}), explain(
        expected="sans fichier : un flow « Failed », load_customers « Failed », et aucune autre task",
        got=f"un flow {record} ; {_said(_ran(record))}",
    )


@pytest.mark.todo(3)
def test_failing_step_fails_the_flow(history):
    """Une étape qui échoue arrête le flow, qu'elle entraîne ou qu'elle mesure."""
    for step, record in history.failures().items():
        expected = dict.fromkeys(STEPS[: STEPS.index(step)], "Completed") | {step: "Failed"}
        assert (record.state.name, _ran(record)) == ("Failed", expected), explain(
            expected=f"avec {LEAVING[step]} client(s) parti(s) sur 40, {step} échoue : un flow « Failed » ; "
            f"{_said(expected)}",
            got=f"un flow {record} ; {_said(_ran(record))}",
        )


@cache
def _all_customers() -> pd.DataFrame:
    return churn.load_customers()


def _some_customers(seed: int) -> pd.DataFrame:
    """D'autres clients que ceux de l'atelier : un fichier que personne ne connaît d'avance."""
    return _all_customers().sample(200, random_state=seed).reset_index(drop=True)


def _lookalikes() -> pd.DataFrame:
    """Des clients que leur affichage ne distingue pas de ceux de l'atelier : plus loin, d'autres sont partis."""
    others, middle = _all_customers().copy(), slice(50, 550)
    others.iloc[middle, others.columns.get_loc(churn.TARGET)] = others[churn.TARGET].iloc[middle].to_numpy()[::-1]
    return others


def _forty_customers(gone: int) -> pd.DataFrame:
    """Quarante clients, dont si peu sont partis qu'une étape échoue."""
    everyone = _all_customers()
    staying, leaving = (everyone[everyone[churn.TARGET] == label] for label in (0, 1))
    return pd.concat([staying.head(40 - gone), leaving.head(gone)])


def _metrics(customers: pd.DataFrame) -> dict[str, float]:
    return _measured(_trained(customers), customers)


def _trained(customers: pd.DataFrame) -> object:
    return churn.train_model(churn.split_customers(customers)[0])


def _measured(model: object, customers: pd.DataFrame) -> dict[str, float]:
    return churn.evaluate_model(model, churn.split_customers(customers)[1])


def _call(run: Callable, step: Callable, *arguments: object, **named: object) -> object:
    from prefect.exceptions import ParameterBindError

    try:
        return run(step, *arguments, **named)
    except ParameterBindError as error:
        given = f"les paramètres {', '.join(named)}" if named else f"{len(arguments)} argument(s)"
        raise StudentMistake(
            expected=f"« {step.__name__} » garde les paramètres que le fichier lui donnait",
            got=f"un appel avec {given} est refusé : {error}",
        ) from error


def _ran(record: object) -> dict[str, str]:
    # « NotReady » : une task soumise, qui attendait une valeur et n'est jamais partie.
    return {run.task: run.state for run in record.task_runs if run.task in STEPS and run.state != "NotReady"}


def _said(states: dict[str, str]) -> str:
    return ", ".join(f"{step} « {state} »" for step, state in states.items()) or "aucune task"


def _ending(record: object) -> str:
    return f" ; le run finit en {record}" if record.error else ""


def _left_plain(kata: object) -> str:
    plain = [step for step in STEPS if not hasattr(getattr(kata, step), "with_options")]
    return f" (ce n'est pas encore une task, TODO 1 : {', '.join(plain)})" if plain else ""


def _arrows(received: dict[str, str]) -> str:
    seen = ", ".join(f"{target} vient de {source}" for target, source in received.items())
    return seen or "Prefect n'a vu passer aucune valeur"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        # Assez de chiffres pour que des mesures arrondies se voient.
        numbers = {name: f"{part:.10g}" if isinstance(part, float) else repr(part) for name, part in value.items()}
        return ", ".join(f"{name} {number}" for name, number in numbers.items()) or "un dictionnaire vide"
    kind = "du texte" if isinstance(value, str) else f"un objet {type(value).__name__}"
    return "rien (None)" if value is None else f"{kind}, pas un dictionnaire de mesures : {value}"
