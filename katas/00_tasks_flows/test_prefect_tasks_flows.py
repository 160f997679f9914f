"""Le pipeline s'exécute sur un vrai serveur Prefect ; les tests relisent ce que le serveur a enregistré."""

from pathlib import Path

import pytest

from atelier import churn
from atelier.feedback.verdict import explain

STEPS = ["load_customers", "train_model", "evaluate_model"]


@pytest.fixture
def customers_csv(tmp_path: Path) -> Path:
    """D'autres clients que ceux de l'atelier : un fichier que personne ne connaît d'avance."""
    path = tmp_path / "customers.csv"
    churn.load_customers().sample(400, random_state=7).to_csv(path, index=False)
    return path


@pytest.mark.todo(1)
def test_each_step_is_a_task(kata, run, customers_csv):
    """Chacune des trois étapes est une task : Prefect en connaît chaque exécution."""
    customers = run(kata.load_customers, customers_csv)
    model = run(kata.train_model, customers.value)
    metrics = run(kata.evaluate_model, model.value, customers.value)

    names = [attempt.task for record in (customers, model, metrics) for attempt in record.task_runs]
    assert names == STEPS, explain(
        expected=f"une exécution de chaque task : {', '.join(STEPS)}", got=f"vu par Prefect : {names}"
    )


@pytest.mark.todo(2)
def test_pipeline_is_a_flow_of_three_steps(kata, run):
    """Le pipeline est un flow : il aboutit, chaque étape y figure une fois, et son modèle bat la classe majoritaire."""
    record = run(kata.churn_pipeline)

    steps = [attempt.task for attempt in record.task_runs]
    metrics = record.value if isinstance(record.value, dict) else {}
    is_useful = metrics.get("accuracy", 0) > metrics.get("majority", 1)
    assert (record.state.name, steps, is_useful) == ("Completed", STEPS, True), explain(
        expected=f"un flow « Completed » ; task runs : {', '.join(STEPS)} ; une `accuracy` au-dessus de `majority`",
        got=f"un flow {record} ; task runs : {', '.join(steps) or 'aucun'} ; mesures : {_rounded(record.value)}",
    )


@pytest.mark.todo(3)
def test_data_passes_from_step_to_step(kata, run, customers_csv):
    """Chaque étape reçoit ce que rend la précédente : c'est le graphe que dessine l'interface."""
    record = run(kata.churn_pipeline, customers_csv)

    names = {attempt.id: attempt.task for attempt in record.task_runs}
    received = {
        attempt.task: {name: names.get(source) for name, sources in attempt.inputs.items() for source in sources}
        for attempt in record.task_runs
    }
    expected = {
        "load_customers": {},
        "train_model": {"customers": "load_customers"},
        "evaluate_model": {"model": "train_model", "customers": "load_customers"},
    }
    assert received == expected, explain(
        expected="train_model reçoit les clients de load_customers ; evaluate_model, ces mêmes clients et le modèle",
        got=f"ce que Prefect a vu passer : {received}",
    )


@pytest.mark.todo(3)
def test_metrics_are_those_of_the_model(kata, run, customers_csv):
    """Le flow rend les mesures du modèle, sur les clients qu'on lui donne."""
    train, test = churn.split_customers(churn.load_customers(customers_csv))
    expected = churn.evaluate_model(churn.train_model(train), test)

    record = run(kata.churn_pipeline, customers_csv)

    assert record.value == pytest.approx(expected), explain(
        expected=f"les mesures recalculées sur ce fichier : {_rounded(expected)}", got=_rounded(record.value)
    )


@pytest.mark.todo(3)
def test_missing_file_fails_the_flow(kata, run, tmp_path):
    """Un fichier absent arrête tout : le flow échoue avec l'erreur, rien ne s'entraîne."""
    record = run(kata.churn_pipeline, tmp_path / "absent.csv")

    steps = {attempt.task: attempt.state for attempt in record.task_runs}
    assert (record.state.name, type(record.error), steps) == (
        "Failed",
        churn.DataError,
        {"load_customers": "Failed"},
    ), explain(
        expected="un flow « Failed », load_customers « Failed », et aucune autre task",
        got=f"un flow {record} ; task runs : {steps}",
    )


def _rounded(metrics: object) -> object:
    return {name: round(value, 3) for name, value in metrics.items()} if isinstance(metrics, dict) else metrics
