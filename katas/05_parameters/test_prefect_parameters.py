"""Les réglages passent par pydantic, par le formulaire du serveur et par de vrais runs ; on y relit les sous-flows."""

import json
import re
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import joblib
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atelier import churn
from atelier.feedback.verdict import explain
from atelier.props.properties import property_of_function

if TYPE_CHECKING:
    from atelier.prefect.probe import RunRecord

HERE = "le flow lui-même"
PREPARATION = ["load_customers", "add_features"]
DEFAULTS = {"C": 1.0, "solver": "lbfgs", "max_iter": 200}
# Ni l'exemple du README, ni un nombre qui s'écrive en deux décimales.
CHOSEN = {"C": 0.0375, "solver": "newton-cholesky", "max_iter": 317}
AT_THE_LIMITS = {"C": 100, "solver": "lbfgs", "max_iter": 1000}
SOLVERS = ["lbfgs", "newton-cholesky"]
WITHIN = [
    {"C": 1e-9, "solver": "lbfgs", "max_iter": 50},
    {"C": 100, "solver": "newton-cholesky", "max_iter": 1000},
    {"C": 0.0375, "solver": "lbfgs", "max_iter": 51},
]
# Une valeur refusée par réglage, sur chaque ligne.
BEYOND = [
    {"C": 0, "solver": "sag", "max_iter": 49},
    {"C": 100.000001, "solver": "LBFGS", "max_iter": 1001},
    {"C": "fort", "solver": 3, "max_iter": 99.5},
    {"C": None, "solver": None, "max_iter": None},
    {"C": -1e-9, "solver": "xlbfgs", "max_iter": 0},
]
CASES = [*((values, set()) for values in WITHIN), *((values, set(values)) for values in BEYOND)]
OTHER_SOLVERS = ["liblinear", "newton-cg", "newton-cholesky-2", "newton_cholesky", "saga", "lbfgs ", "Lbfgs", ""]
TYPOS = ["c", "Solver", "maxiter", "max-iter", "max_iters", "iterations"]
# Plus de clients que n'en garde un extrait.
CUSTOMERS, MANY = 120, 1200
LONGEST_REFERENCE = 1000  # en octets, une fois les paramètres écrits en JSON


@pytest.fixture(scope="module")
def everyone() -> pd.DataFrame:
    return churn.load_customers()


@pytest.fixture(scope="module")
def customers(everyone) -> pd.DataFrame:
    """Quelques clients dans le désordre, dont deux ont les mêmes chiffres."""
    some = everyone.sample(CUSTOMERS - 1, random_state=7)
    return pd.concat([some, some.head(1).assign(**{churn.ID: 900_001})])


@pytest.fixture(scope="module")
def others(everyone, customers) -> pd.DataFrame:
    """Quelques autres clients."""
    return everyone.drop(index=customers.index).sample(30, random_state=8)


@pytest.fixture(scope="module")
def many_customers(everyone) -> bytes:
    """Un fichier de clients bien plus long."""
    return everyone.head(MANY).to_csv(index=False).encode()


@pytest.fixture
def csv(customers, tmp_path) -> Path:
    """Des clients dont on sait s'ils sont partis."""
    return _written(customers, tmp_path / "known.csv")


@pytest.fixture
def model(tmp_path) -> Path:
    """L'endroit où ranger le modèle, sous le nom qu'on veut ; rien n'y est encore."""
    return tmp_path / "churn.model"


@pytest.fixture(scope="module")
def models(everyone, customers) -> list:
    """Deux modèles déjà entraînés, sur d'autres clients que ceux des tests."""
    rest = everyone.drop(index=customers.index)
    return [churn.train_model(rest.head(400)), churn.train_model(rest.tail(300), C=0.01)]


@pytest.fixture
def trainings(kata, run, csv, model, many_customers, once) -> "Trainings":
    return Trainings(kata, run, csv, model, many_customers, once)


@pytest.fixture
def predictions(run, customers, models, trainings, once) -> "Predictions":
    return Predictions(run, customers, models, trainings, once)


@dataclass(frozen=True)
class Training:
    """Un entraînement : son run, son fichier, et ce qu'avait appris le modèle rangé après lui."""

    kata: ModuleType
    record: "RunRecord"
    csv: Path
    model: Path
    learned: dict | None


@dataclass(frozen=True)
class Trainings:
    """Deux entraînements d'affilée, par le même module, chacun fait quand un test en a besoin."""

    kata: ModuleType
    run: Callable
    csv: Path
    model: Path
    many_customers: bytes
    once: Callable

    def chosen(self) -> Training:
        """Avec `CHOSEN`."""
        return self.once("chosen", lambda: _trained(self.run, self.kata, self.csv, self.model, CHOSEN))

    def default(self) -> Training:
        """Puis sans réglages, au même endroit, sur un fichier qui a changé entre-temps."""
        before = self.chosen()

        def again() -> Training:
            before.csv.write_bytes(self.many_customers)
            return _trained(self.run, before.kata, before.csv, before.model)

        return self.once("default", again)


@dataclass(frozen=True)
class Prediction:
    """Une prédiction : son run, ce qui en était attendu, et où étaient les clients et le modèle."""

    kata: ModuleType
    record: "RunRecord"
    expected: pd.Series | None
    csv: Path
    model: Path


@dataclass(frozen=True)
class Predictions:
    """Après des entraînements, et au même endroit, des prédictions, chacune faite quand un test en a besoin."""

    run: Callable
    customers: pd.DataFrame
    models: list
    trainings: Trainings
    once: Callable

    def everyone(self) -> Prediction:
        """Tous les clients, dont on ne sait pas encore s'ils partiront."""

        def first() -> Prediction:
            made = self.trainings
            with suppress(AssertionError, NotImplementedError):  # l'entraînement n'est pas prêt : on s'en passe
                made = self.trainings.default()
            return self._made(made.kata, made.csv, made.model, self.customers, self.models[0])

        return self.once("everyone", first)

    def alone(self) -> Prediction:
        """Puis un seul, par un autre modèle."""
        before = self.everyone()
        return self.once(
            "alone",
            lambda: self._made(before.kata, before.csv, before.model, self.customers.iloc[5:6], self.models[1]),
        )

    def impossible(self) -> list["RunRecord"]:
        """Enfin sans clients, puis sans modèle."""
        before = self.alone()
        missing = [
            (before.csv.with_name("nobody.csv"), before.model),
            (before.csv, before.model.with_name("nothing.model")),
        ]
        return self.once("impossible", lambda: [self.run(before.kata.inference, *paths) for paths in missing])

    def _made(self, kata: ModuleType, csv: Path, model: Path, customers: pd.DataFrame, trained: object) -> Prediction:
        _written(customers.drop(columns=churn.TARGET), csv)
        joblib.dump(trained, model)
        expected = churn.predict_churn(trained, customers).set_index(churn.ID)["churn_probability"]
        return Prediction(kata, self.run(kata.inference, csv, model), expected, csv, model)


@pytest.mark.todo(1)
def test_limits_are_those_of_the_readme(kata):
    """Chaque réglage va jusqu'à ses limites ; au-delà, d'un autre type ou mal nommé, il est refusé."""
    unknown = [({name: 0.5}, {name}) for name in TYPOS]
    for values, wrong in [*CASES, *(({"solver": name}, {"solver"}) for name in OTHER_SOLVERS), *unknown]:
        refused = _refused(kata.Hyperparameters, values)

        surprises = sorted(refused.keys() ^ wrong)
        assert not surprises, explain(expected=_told(surprises, values, wrong), got=_told(surprises, values, refused))

    any_settings_within_the_limits(kata)
    any_number_beyond_the_limits(kata)


@property_of_function
@given(
    C=st.floats(0, 100, exclude_min=True),
    solver=st.sampled_from(SOLVERS),
    max_iter=st.integers(50, 1000),
)
@example(C=0.0375, solver="newton-cholesky", max_iter=317)
def any_settings_within_the_limits(kata, C, solver, max_iter):
    values = {"C": C, "solver": solver, "max_iter": max_iter}
    refused = _refused(kata.Hyperparameters, values)
    assert not refused, explain(expected=_told(refused, values, {}), got=_told(refused, values, refused))

    kept = kata.Hyperparameters(**values).model_dump()
    changed = [name for name in values if kept.get(name) != values[name]]
    assert not changed, explain(
        expected=", ".join(f"{name}={values[name]!r} gardé tel quel" for name in changed),
        got=", ".join(f"{name}={kept.get(name)!r}" for name in changed),
    )


@property_of_function
@given(
    C=st.one_of(st.floats(max_value=0), st.floats(min_value=100, exclude_min=True)),
    max_iter=st.one_of(st.integers(max_value=49), st.integers(min_value=1001)),
)
@example(C=150.0, max_iter=2000)
def any_number_beyond_the_limits(kata, C, max_iter):
    values = {"C": C, "max_iter": max_iter}
    accepted = sorted(values.keys() - _refused(kata.Hyperparameters, values).keys())
    assert not accepted, explain(expected=_told(accepted, values, values), got=_told(accepted, values, {}))


@pytest.mark.todo(1)
def test_form_knows_the_limits(kata, prefect_server):
    """Le formulaire de l'interface connaît ces limites : il refuse sans qu'aucun run n'existe."""
    from prefect import flow

    from atelier.prefect.form import form_of

    def training(hyperparameters: kata.Hyperparameters):
        """Un flow qui n'a que ces réglages."""

    with form_of(flow(training)) as form:
        for values, wrong in CASES:
            errors = form.errors(hyperparameters=values)

            refused = {name.removeprefix("hyperparameters.") for name in errors}
            surprises = sorted(refused ^ wrong)
            assert not surprises, explain(
                expected=f"par le formulaire, {_told(surprises, values, wrong)}",
                got=f"{_told(surprises, values, refused)} ; il ne connaît que ce que dit la déclaration des réglages",
            )


@pytest.mark.todo(1)
def test_each_setting_has_its_default(kata):
    """Un réglage dont on ne dit rien garde sa valeur par défaut, même si l'on en change un autre."""
    for changed in ({}, {"C": 0.5}, {"solver": "newton-cholesky"}):
        refused = _refused(kata.Hyperparameters, changed)
        got = {} if refused else kata.Hyperparameters(**changed).model_dump()

        expected = DEFAULTS | changed
        assert got == expected, explain(
            expected=f"avec {_listed(changed)} pour tout réglage, {_listed(expected)}"
            if changed
            else f"sans rien régler, {_listed(expected)}",
            got=_told(refused, changed, refused) or _listed(got),
        )


@pytest.mark.todo(2)
def test_preparation_is_a_flow_of_two_tasks(kata, run, csv, customers, others):
    """La préparation est un flow : il reçoit de quoi trouver les clients, et les rend avec leurs features."""
    record, reference = _prepared(kata, run, csv)

    tasks = [attempt.task for attempt in record.task_runs]
    assert (record.state.name, tasks) == ("Completed", PREPARATION), explain(
        expected=f"un flow « Completed », à qui l'on donne un chemin ; task runs : {', '.join(PREPARATION)}",
        got=f"{record} ; task runs : {', '.join(tasks) or 'aucun'}",
    )
    expected = _with_features(customers)
    assert expected.equals(record.value), explain(
        expected="tel quel, le tableau que rend la seconde task", got=_difference(record.value, expected)
    )

    _written(others, csv)
    expected = _with_features(others)
    again = run(kata.data_preparation, reference)
    assert expected.equals(again.value), explain(
        expected="le fichier a changé, au même endroit : les clients qui y sont maintenant",
        got="ceux d'avant" if record.value.equals(again.value) else f"{again}, {_difference(again.value, expected)}",
    )


@pytest.mark.todo(2)
def test_big_table_travels_by_reference(trainings):
    """Le sous-flow reçoit de quoi retrouver les clients, pas les clients : le serveur n'en garde que le chemin."""
    for train, count in ((trainings.chosen, CUSTOMERS), (trainings.default, MANY)):
        made = train()
        record = made.record

        stored = [json.dumps(subflow.parameters) for subflow in record.subflows]
        by_reference = [text for text in stored if len(text) < LONGEST_REFERENCE and made.csv.name in text]
        assert (record.state.name, len(by_reference)) == ("Completed", 1), explain(
            expected=f"un sous-flow qui prépare {count} clients, et n'a pour paramètres que le chemin de leur fichier",
            got=_too_big(record) or f"{record} ; ce que garde le serveur : {_shortened(stored)}",
        )


@pytest.mark.todo(3)
def test_bad_values_stop_the_run_before_any_task(kata, run, csv, model):
    """Des valeurs refusées arrêtent le run avant sa première task, et le message nomme chacune."""
    record = _started(run, kata.training, csv, model, hyperparameters=BEYOND[0])

    by_prefect = type(record.error).__name__ == "ParameterTypeError" and all(
        f"hyperparameters.{name}" in str(record.error) for name in BEYOND[0]
    )
    assert (by_prefect, record.task_runs) == (True, ()), explain(
        expected=f"hyperparameters={BEYOND[0]} refusé par Prefect lui-même, sans un seul task run",
        got=f"{record} ; task runs : {', '.join(attempt.task for attempt in record.task_runs) or 'aucun'}",
    )


@pytest.mark.todo(3)
def test_run_name_says_its_settings(trainings):
    """Le nom du run dit ses réglages : on les lit dans la liste des runs, sans en ouvrir un seul."""
    for train, settings in ((trainings.chosen, CHOSEN), (trainings.default, DEFAULTS)):
        name = train().record.flow_run.name
        assert _said_by(name) == (settings["C"], settings["solver"]), explain(
            expected=f"un run nommé « training C={settings['C']} solver={settings['solver']} »", got=f"« {name} »"
        )


@pytest.mark.todo(4)
def test_chosen_values_reach_the_model(kata, run, trainings, customers, others):
    """Le modèle rangé a été entraîné sur les clients du run, avec les réglages du run."""
    made = trainings.chosen()
    learned = _settings(made.learned)
    assert learned, explain(expected="un modèle rangé à l'endroit demandé", got=f"aucun ; {made.record}")
    expected = CHOSEN | {"clients": CUSTOMERS}
    assert learned == expected, explain(expected=f"un modèle entraîné avec {_listed(expected)}", got=_listed(learned))
    weights, expected = made.learned["poids"], _weights(_fitted(customers, CHOSEN))
    assert weights == expected, explain(
        expected=f"un modèle qui a appris ces clients, tels que le sous-flow les prépare : ses poids sont {expected}",
        got=f"{weights} : d'autres valeurs, pour les mêmes clients",
    )

    made, before = trainings.default(), learned
    learned, expected = _settings(made.learned), DEFAULTS | {"clients": MANY}
    assert learned == expected, explain(
        expected=f"puis, sans réglages, dans un fichier plus long, un modèle entraîné avec {_listed(expected)}",
        got=f"{'le modèle d’avant, ' if learned == before else ''}{_listed(learned)} ; {made.record}",
    )
    for known in (others, customers):
        run(kata.fit_model, _with_features(known), kata.Hyperparameters(), made.model)
        count = (_settings(_learned(made.model)) or {}).get("clients")
        assert count == len(known), explain(
            expected=f"les mêmes réglages, au même endroit, d'autres clients : un modèle de ces {len(known)} clients",
            got=f"le modèle de {count} clients",
        )


@pytest.mark.todo(4)
def test_training_prepares_in_a_subflow(trainings):
    """L'entraînement confie la préparation au sous-flow, et n'en refait rien."""
    for train in (trainings.chosen, trainings.default):
        made = train()
        assert_prepared_in_a_subflow(made.kata, made.record, then="fit_model")


@pytest.mark.todo(4)
def test_missing_file_stops_the_training(run, trainings, customers, tmp_path):
    """Sans fichier, l'entraînement échoue dès la lecture ; sans endroit où ranger le modèle, il échoue à la fin."""
    # Après d'autres runs, dont rien ne doit rester : ni le chemin des clients, ni celui du modèle.
    kata, csv, nowhere = trainings.default().kata, tmp_path / "missing.csv", tmp_path / "missing.csv" / "model.joblib"
    for failing, cause in (
        ("load_customers", "sans fichier"),
        ("fit_model", "le fichier venu, mais nulle part où ranger"),
    ):
        record = _started(run, kata.training, csv, nowhere, hyperparameters=AT_THE_LIMITS)

        states = {attempt.task: attempt.state for attempt in record.task_runs}
        assert _stopped_at(failing, record, before="fit_model"), explain(
            expected=f"{cause}, avec {_listed(AT_THE_LIMITS)} : {failing} « Failed », puis le flow, et rien d'autre",
            got=f"{record} ; {_said(states)}",
        )
        _written(customers, csv)


@pytest.mark.todo(5)
def test_inference_prepares_in_the_same_subflow(kata, predictions):
    """La prédiction passe par le même sous-flow que l'entraînement, même si elle suit un entraînement."""
    assert_prepared_in_a_subflow(kata, predictions.everyone().record, then="predict")


@pytest.mark.todo(5)
def test_inference_returns_what_predict_returns(predictions):
    """La prédiction rend ce que rend `predict` : une probabilité par client, sous son identifiant, dans l'ordre."""
    made = predictions.everyone()
    record, expected = made.record, made.expected

    assert _same(record.value, expected), explain(
        expected=f"{len(expected)} probabilités, celle de chaque client sous son identifiant, dans l'ordre du fichier",
        got=f"{record}, {_unlike(record.value, expected)}",
    )


@pytest.mark.todo(5)
def test_prediction_depends_on_its_customer_alone(predictions):
    """Seul, un client reçoit la probabilité du modèle rangé là : la prédiction ne dépend de personne d'autre."""
    made = predictions.alone()
    record, expected = made.record, made.expected

    shown = record.value.tolist() if isinstance(record.value, pd.Series) else type(record.value).__name__
    before = predictions.everyone().expected.loc[expected.index]
    assert _same(record.value, expected), explain(
        expected=f"pour un seul client, et un modèle qui vient de changer, une probabilité : {expected.iloc[0]:.6f}",
        got=f"{record}, {'celle du modèle d’avant' if _same(record.value, before) else shown}",
    )


@pytest.mark.todo(5)
def test_missing_file_or_model_stops_the_inference(predictions):
    """Sans clients, ou sans modèle à l'endroit donné, la prédiction échoue : elle ne se sert pas de ceux d'avant."""
    causes = (("clients", "load_customers"), ("modèle", "predict"))
    for record, (missing, failing) in zip(predictions.impossible(), causes, strict=True):
        states = {attempt.task: attempt.state for attempt in record.task_runs}
        assert _stopped_at(failing, record, before="predict"), explain(
            expected=f"sans {missing}, {failing} « Failed », puis le flow",
            got=f"un flow {record} ; {_said(states)}",
        )


def _stopped_at(failing: str, record: "RunRecord", before: str) -> bool:
    """Dit si le flow a échoué là, sans aller jusqu'à `before`.

    Sans fichier, le sous-flow peut aussi refuser son chemin lui-même, d'après un type comme `FilePath`.
    """
    states = {attempt.task: attempt.state for attempt in record.task_runs}
    refused = failing == "load_customers" and not states and type(record.error).__name__ == "ParameterTypeError"
    stopped = states.get(failing) == "Failed" and (failing == before or before not in states)
    return record.state.name == "Failed" and (refused or stopped)


def assert_prepared_in_a_subflow(kata, record, then: str) -> None:
    subflows = {subflow.id: subflow.flow for subflow in record.subflows}
    places = [f"{attempt.task} dans {subflows.get(attempt.flow_run_id, HERE)}" for attempt in record.task_runs]
    name = getattr(kata.data_preparation, "name", "data-preparation")
    expected = [*(f"{task} dans {name}" for task in PREPARATION), f"{then} dans {HERE}"]
    assert (record.state.name, len(subflows), places) == ("Completed", 1, expected), explain(
        expected=f"un flow « Completed », un seul sous-flow ; chaque task à sa place : {', '.join(expected)}",
        got=f"{record} ; sous-flows : {len(subflows)} ; {', '.join(places) or 'aucun task run'}",
    )


def _refused(model: Callable, values: dict) -> dict[str, str]:
    """Ce que pydantic refuse de ces valeurs, et pourquoi."""
    from pydantic import ValidationError

    try:
        model(**values)
    except ValidationError as error:
        return {str(problem["loc"][0]): problem["msg"] for problem in error.errors()}
    return {}


def _told(names: Iterable[str], values: dict, refused: Container[str]) -> str:
    return ", ".join(
        f"{f'{name}={values[name]!r}' if name in values else f'{name} non donné'}"
        f" {'refusé' if name in refused else 'accepté'}"
        for name in names
    )


def _said_by(name: str) -> tuple[float, str] | None:
    """Les deux réglages que dit le nom d'un run ; « 1 » vaut « 1.0 »."""
    match = re.fullmatch(r"training C=([\d.e+-]+) solver=(\S+)", name)
    return (float(match[1]), match[2]) if match else None


def _listed(settings: dict | None) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) if settings else "rien"


def _trained(run: Callable, kata: ModuleType, csv: Path, model: Path, *settings: dict) -> Training:
    record = _started(run, kata.training, csv, model, *settings)
    return Training(kata, record, csv, model, _learned(model))


def _started(run: Callable, training: Callable, *arguments: object, **settings: object) -> "RunRecord":
    """Lance `training` ; ce qui l'empêche de commencer est presque toujours sa signature."""
    try:
        return run(training, *arguments, **settings)
    except NotImplementedError:
        raise
    except Exception as error:
        given = arguments[2:] or [*settings.values()]
        told = " ".join(f"{type(error).__name__} : {error}".split())
        raise AssertionError(
            explain(
                expected="un run de `training` : son troisième paramètre, `hyperparameters`, est facultatif, du type "
                "`Hyperparameters`",
                got=f"avec {given[0]}, {told}" if given else f"sans réglages, {told}",
            )
        ) from error


def _said(states: dict[str, str]) -> str:
    return ", ".join(f"{task} « {state} »" for task, state in states.items()) or "aucun task run"


def _learned(model: Path) -> dict | None:
    """Les réglages du modèle rangé là, le nombre de clients qu'il a appris, et ses poids."""
    if not model.exists():
        return None
    trained = joblib.load(model)
    scaler, classifier = trained
    settings = {name: classifier.get_params()[name] for name in CHOSEN}
    return settings | {"clients": int(scaler.n_samples_seen_), "poids": _weights(trained)}


def _settings(learned: dict | None) -> dict | None:
    return learned and {name: value for name, value in learned.items() if name != "poids"}


def _fitted(customers: pd.DataFrame, settings: dict) -> object:
    prepared = _with_features(customers)
    return churn.build_model(**settings).fit(prepared.drop(columns=churn.TARGET), prepared[churn.TARGET])


def _weights(trained) -> list[float]:
    # Au dix-millième : l'ordre des clients ne s'y voit pas.
    return [round(float(weight), 4) for weight in trained[-1].coef_[0]]


def _prepared(kata, run: Callable, path: Path):
    """Le run de `data_preparation`, et la référence acceptée : ce chemin, son texte, ou un objet qui le porte."""
    record = run(kata.data_preparation, path)
    if type(record.error).__name__ != "ParameterTypeError":
        return record, path
    references = [str(path)]
    for parameter in signature(kata.data_preparation).parameters.values():
        references += [{name: str(path)} for name in getattr(parameter.annotation, "model_fields", ())]
    for reference in references:
        again = run(kata.data_preparation, reference)
        if type(again.error).__name__ != "ParameterTypeError":
            return again, reference
    return record, path


def _with_features(customers: pd.DataFrame) -> pd.DataFrame:
    known = customers.set_index(churn.ID)
    return churn.engineer_features(known).join(known[churn.TARGET])


def _same(got: object, expected: pd.Series) -> bool:
    same_index = isinstance(got, pd.Series) and got.index.equals(expected.index)
    return same_index and bool(((got - expected).abs() < 1e-12).all())


def _unlike(got: object, expected: pd.Series) -> str:
    if not isinstance(got, pd.Series):
        return "rien" if got is None else f"un objet {type(got).__name__}"
    if len(got) != len(expected):
        return f"{len(got)} clients"
    if not got.index.equals(expected.index):
        same = sorted(got.index) == sorted(expected.index)
        return "les clients dans un autre ordre" if same else f"d'autres identifiants : {got.index[:3].tolist()}…"
    name = (got - expected).abs().idxmax()
    return f"pour le client {name}, {got[name]!r} au lieu de {expected[name]!r}"


def _written(customers: pd.DataFrame, path: Path) -> Path:
    customers.to_csv(path, index=False)
    return path


def _difference(got: object, expected: pd.DataFrame) -> str:
    if not isinstance(got, pd.DataFrame):
        return repr(got)
    if missing := expected.columns.difference(got.columns).tolist():
        return f"un tableau sans {', '.join(missing)}"
    same = "le même nombre de" if len(got) == len(expected) else f"{len(got)}"
    return f"{same} clients, mais d'autres valeurs"


def _too_big(record) -> str:
    match = re.search(r"Flow run parameters must be less than [^.]*\.", str(record.error))
    return f"le serveur a refusé le sous-flow : {match[0]}" if match else ""


def _shortened(texts: list[str]) -> str:
    return ", ".join(f"{text[:80]}…" if len(text) > 80 else text for text in texts) or "aucun sous-flow"
