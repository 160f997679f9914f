"""Une source capricieuse, pour de vrai : un serveur HTTP local répond 503 ou 404, ou ferme la connexion."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier.feedback.verdict import explain
from atelier.props.flaky_source import DROP, HTML, OK, ONE_CLASS, SLOW, FlakySource
from atelier.props.properties import property_of_function, property_of_run

TRANSIENT = (DROP, 429, 500, 502, 503, 504)
PERMANENT = (HTML, 400, 401, 403, 404, 410, 499)


@pytest.fixture
def source() -> Iterator[FlakySource]:
    with FlakySource() as source:
        yield source


@pytest.mark.todo(1)
@property_of_function
@given(answer=st.sampled_from((SLOW, *TRANSIENT, *PERMANENT)))
def test_transient_errors_are_told_apart(kata, clock, source, answer):
    """Une panne de réseau, un 429, un 5xx sont passagers ; un 404 ou une page HTML sont définitifs."""
    source.play([answer])
    kata.TIMEOUT_SECONDS = 0.05 if answer == SLOW else 5
    error = _error_of(kata.load_customers.fn, source.url)
    assert error is not None, explain(
        expected=f"load_customers échoue quand la source répond « {answer} » : sans erreur, rien à relancer",
        got="aucune erreur",
    )

    verdict = kata.is_transient(error)

    assert verdict is (answer not in PERMANENT), explain(
        expected=f"is_transient rend {answer not in PERMANENT} quand la source répond « {answer} »", got=verdict
    )


@pytest.mark.todo(2)
def test_prefect_counts_the_attempts(kata, run, source):
    """Après deux pannes passagères, Prefect en est au troisième essai de la task, et le flow aboutit."""
    source.play([503, DROP, OK])

    record = run(kata.churn_pipeline, source.url)

    attempts = [attempt.runs for attempt in record.of("load_customers")]
    assert (record.state.name, attempts) == ("Completed", [3]), explain(
        expected="un flow « Completed », et une seule task « load_customers », que Prefect a essayée 3 fois",
        got=f"un flow {record} ; {len(attempts)} task(s) de ce nom, essais comptés par Prefect : {attempts}",
    )


@pytest.mark.todo(2)
def test_three_retries_then_the_task_fails(kata, run, source):
    """Trois retries, pas un de plus : devant une source morte, la task échoue."""
    source.play([503])

    record = run(kata.load_customers, source.url)

    assert (source.requests, record.state.name) == (4, "Failed"), explain(
        expected="4 requêtes (le premier essai et 3 retries), puis une task « Failed »",
        got=f"{source.requests} requête(s), puis une task {record}",
    )


@pytest.mark.todo(2)
def test_training_is_not_retried(kata, run, source):
    """Seul le chargement se relance : un entraînement qui échoue n'est tenté qu'une fois."""
    source.play([503, ONE_CLASS])

    record = run(kata.churn_pipeline, source.url)

    attempts = {name: [run.runs for run in record.of(name)] for name in ("load_customers", "train_model")}
    assert attempts == {"load_customers": [2], "train_model": [1]}, explain(
        expected="2 essais de « load_customers » et un seul de « train_model »",
        got=f"essais comptés par Prefect : {attempts}",
    )


@pytest.mark.todo(3)
@property_of_run
@given(failures=st.lists(st.sampled_from(TRANSIENT), max_size=3), last=st.sampled_from((OK, *PERMANENT)))
def test_permanent_error_is_fatal_at_once(kata, run, source, failures, last):
    """Une réponse définitive arrête la task aussitôt, même après des pannes passagères."""
    source.play([*failures, last])

    record = run(kata.load_customers, source.url)

    outcome = "Completed" if last == OK else "Failed"
    assert (source.requests, record.state.name) == (len(failures) + 1, outcome), explain(
        expected=f"après {failures}, la réponse « {last} » arrête la task « {outcome} »",
        got=f"{source.requests} requête(s) au lieu de {len(failures) + 1}, puis {record}",
    )


@pytest.mark.todo(3)
def test_permanent_error_is_shown_as_it_is(kata, run, source):
    """Le flow échoue lui aussi, avec l'erreur de la source : on peut la lire dans l'interface."""
    source.play([503, 404])

    record = run(kata.churn_pipeline, source.url)

    assert (source.requests, "404" in str(record.error)) == (2, True), explain(
        expected="un 503 relancé une fois, puis un flow « Failed » dont l'erreur dit 404",
        got=f"{source.requests} requête(s), puis un flow {record}",
    )


def _error_of(function: Callable[..., object], *arguments: object) -> Exception | None:
    try:
        function(*arguments)
    except Exception as error:
        return error
    return None
