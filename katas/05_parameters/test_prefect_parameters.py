"""Les réglages passent par pydantic, par le formulaire du serveur et par de vrais runs ; on y relit les sous-flows."""

import json
import re
from collections.abc import Callable, Container, Iterable
from pathlib import Path

import joblib
import pandas as pd
import pytest

from atelier import churn
from atelier.feedback.verdict import explain

HERE = "le flow lui-même"
PREPARATION = ["load_customers", "add_features"]
DEFAULTS = {"C": 1.0, "solver": "lbfgs", "max_iter": 200}
CHOSEN = {"C": 0.5, "solver": "newton-cholesky", "max_iter": 300}
WITHIN = [
    {"C": 0.001, "solver": "lbfgs", "max_iter": 50},
    {"C": 100, "solver": "newton-cholesky", "max_iter": 1000},
]
# Une valeur refusée par réglage, sur chaque ligne.
BEYOND = [
    {"C": 0, "solver": "sag", "max_iter": 49},
    {"C": 100.5, "solver": "LBFGS", "max_iter": 1001},
    {"C": "fort", "solver": 3, "max_iter": 99.5},
    {"C": None, "solver": None, "max_iter": None},
]
CASES = [*((values, set()) for values in WITHIN), *((values, set(values)) for values in BEYOND)]
TYPO = {"C": 0.5, "c": 0.5}
CUSTOMERS = 80
LONGEST_REFERENCE = 1000  # en octets, une fois les paramètres écrits en JSON


@pytest.fixture(scope="module")
def everyone() -> pd.DataFrame:
    return churn.load_customers()


@pytest.fixture(scope="module")
def customers(everyone) -> pd.DataFrame:
    return everyone.sample(CUSTOMERS, random_state=7)


@pytest.fixture
def csv(customers, tmp_path) -> Path:
    """Des clients dont on sait s'ils sont partis."""
    return _written(customers, tmp_path / "known.csv")


@pytest.fixture
def new_csv(customers, tmp_path) -> Path:
    """Les mêmes clients, dont on ne sait pas encore s'ils partiront."""
    return _written(customers.drop(columns=churn.TARGET), tmp_path / "new.csv")


@pytest.fixture
def model(tmp_path) -> Path:
    """L'endroit où ranger le modèle ; rien n'y est encore."""
    return tmp_path / "model.joblib"


@pytest.fixture(scope="module")
def trained(everyone, customers, tmp_path_factory) -> Path:
    """Un modèle déjà entraîné, sur d'autres clients que ceux des tests."""
    path = tmp_path_factory.mktemp("trained") / "model.joblib"
    joblib.dump(churn.train_model(everyone.drop(index=customers.index).head(400)), path)
    return path


@pytest.fixture
def train_by_default(kata, run, model, once) -> Callable:
    """Entraîne sur tous les clients, sans rien régler, et rend le run."""
    return lambda: once("default training", lambda: run(kata.training, churn.DATA, model))


@pytest.fixture
def train_as_chosen(kata, run, csv, model, once) -> Callable[[], tuple]:
    """Entraîne avec `CHOSEN`, et rend le run, et l'endroit où ranger le modèle."""
    return lambda: once("chosen training", lambda: (run(kata.training, csv, model, hyperparameters=CHOSEN), model))


@pytest.mark.todo(1)
def test_limits_are_those_of_the_readme(kata):
    """Chaque réglage va jusqu'à ses limites ; au-delà, d'un autre type ou mal nommé, il est refusé."""
    for values, wrong in [*CASES, (TYPO, {"c"})]:
        refused = _refused(kata.Hyperparameters, values)

        surprises = sorted(refused.keys() ^ wrong)
        assert not surprises, explain(expected=_told(surprises, values, wrong), got=_told(surprises, values, refused))


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
        got = _refused(kata.Hyperparameters, changed) or kata.Hyperparameters(**changed).model_dump()

        assert got == DEFAULTS | changed, explain(expected=f"avec {changed}, {DEFAULTS | changed}", got=got)


@pytest.mark.todo(2)
def test_preparation_is_a_flow_of_two_tasks(kata, run, csv, customers):
    """La préparation est un flow : il reçoit le chemin d'un fichier, et rend les clients avec leurs features."""
    known = customers.set_index(churn.ID)

    record = run(kata.data_preparation, csv)

    tasks = [attempt.task for attempt in record.task_runs]
    assert (record.state.name, tasks) == ("Completed", PREPARATION), explain(
        expected=f"un flow « Completed » ; task runs : {', '.join(PREPARATION)}",
        got=f"{record} ; task runs : {', '.join(tasks) or 'aucun'}",
    )
    expected = churn.engineer_features(known).join(known[churn.TARGET])
    assert expected.equals(record.value), explain(
        expected="tel quel, le tableau que rend la seconde task", got=_difference(record.value, expected)
    )


@pytest.mark.todo(2)
def test_big_table_travels_by_reference(train_by_default):
    """Le sous-flow reçoit de quoi retrouver les clients, pas les clients : le serveur n'en garde que le chemin."""
    record = train_by_default()

    stored = [json.dumps(subflow.parameters) for subflow in record.subflows]
    by_reference = [text for text in stored if len(text) < LONGEST_REFERENCE and churn.DATA.name in text]
    assert (record.state.name, len(by_reference)) == ("Completed", 1), explain(
        expected="un sous-flow qui prépare 5 000 clients, et dont les paramètres ne sont que le chemin de leur fichier",
        got=_too_big(record) or f"{record} ; ce que garde le serveur : {_shortened(stored)}",
    )


@pytest.mark.todo(3)
def test_bad_values_stop_the_run_before_any_task(kata, run, csv, model):
    """Des valeurs refusées arrêtent le run avant sa première task, et le message nomme chacune."""
    record = run(kata.training, csv, model, hyperparameters=BEYOND[0])

    by_prefect = type(record.error).__name__ == "ParameterTypeError" and all(
        f"hyperparameters.{name}" in str(record.error) for name in BEYOND[0]
    )
    assert (by_prefect, record.task_runs) == (True, ()), explain(
        expected=f"hyperparameters={BEYOND[0]} refusé par Prefect lui-même, sans un seul task run",
        got=f"{record} ; task runs : {', '.join(attempt.task for attempt in record.task_runs) or 'aucun'}",
    )


@pytest.mark.todo(3)
def test_run_name_says_its_settings(train_as_chosen):
    """Le nom du run dit ses réglages : on les lit dans la liste des runs, sans en ouvrir un seul."""
    record, _ = train_as_chosen()

    assert record.flow_run.name == "training C=0.5 solver=newton-cholesky", explain(
        expected="un run nommé « training C=0.5 solver=newton-cholesky »", got=f"« {record.flow_run.name} »"
    )


@pytest.mark.todo(4)
def test_chosen_values_reach_the_model(train_as_chosen):
    """Le modèle rangé a été entraîné sur les clients du run, avec les réglages du run."""
    record, model = train_as_chosen()

    assert model.exists(), explain(expected="un modèle rangé à l'endroit demandé", got=f"aucun ; {record}")
    scaler, classifier = joblib.load(model)
    got = {name: classifier.get_params()[name] for name in CHOSEN} | {"clients": int(scaler.n_samples_seen_)}
    expected = CHOSEN | {"clients": CUSTOMERS}
    assert got == expected, explain(expected=f"un modèle entraîné avec {expected}", got=got)


@pytest.mark.todo(4)
def test_training_prepares_in_a_subflow(kata, train_by_default):
    """L'entraînement confie la préparation au sous-flow, et n'en refait rien."""
    assert_prepared_in_a_subflow(kata, train_by_default(), then="fit_model")


@pytest.mark.todo(5)
def test_inference_prepares_in_the_same_subflow(kata, run, new_csv, trained):
    """La prédiction passe par le même sous-flow que l'entraînement."""
    record = run(kata.inference, new_csv, trained)

    assert_prepared_in_a_subflow(kata, record, then="predict")


@pytest.mark.todo(5)
def test_prediction_depends_on_its_customer_alone(kata, run, trained, customers, tmp_path):
    """Seul, un client reçoit la même probabilité qu'au milieu des autres : la prédiction n'apprend rien d'eux."""
    alone = customers.head(1)
    expected = churn.predict_churn(joblib.load(trained), alone)["churn_probability"].iloc[0]

    record = run(kata.inference, _written(alone.drop(columns=churn.TARGET), tmp_path / "alone.csv"), trained)

    rounded = record.value.round(4).tolist() if isinstance(record.value, pd.Series) else type(record.value).__name__
    assert rounded == [round(expected, 4)], explain(
        expected=f"une probabilité, {expected:.4f}, celle que le modèle donne à ce client", got=f"{record}, {rounded}"
    )


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
        f"{name}={values.get(name, 'rien')!r} {'refusé' if name in refused else 'accepté'}" for name in names
    )


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
    return ", ".join(text[:80] for text in texts) or "aucun sous-flow"
