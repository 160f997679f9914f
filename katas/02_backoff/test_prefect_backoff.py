"""Le temps est simulé, le hasard tiré d'avance ; la source, elle, est un vrai serveur HTTP en panne."""

import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier.flaky_source import DROP, OK, FlakySource
from atelier.properties import property_of_function
from atelier.verdict import explain

HALVES = st.integers(1, 200).map(lambda number: number / 2)


@pytest.fixture
def source() -> Iterator[FlakySource]:
    with FlakySource([503]) as source:
        yield source


@pytest.mark.todo(1)
def test_delays_go_from_ten_to_sixty_seconds(kata):
    """Sans autre précision, on part de 10 s et on ne dépasse jamais 60 s."""
    delays = kata.backoff_delays(5)

    assert delays == [10, 20, 40, 60, 60], explain(
        expected="backoff_delays(5) rend [10, 20, 40, 60, 60]", got=delays
    )


@pytest.mark.todo(1)
@property_of_function
@given(retries=st.integers(0, 10), base=HALVES, cap=HALVES)
def test_delays_double_up_to_the_cap(kata, retries, base, cap):
    """Chaque attente est le double de la précédente, ou le plafond s'il est plus bas."""
    expected, delay = [], base
    for _ in range(retries):
        expected.append(min(delay, cap))
        delay *= 2

    delays = kata.backoff_delays(retries, base=base, cap=cap)

    assert delays == expected, explain(
        expected=f"backoff_delays({retries}, base={base}, cap={cap}) rend {expected}", got=delays
    )


@pytest.mark.todo(2)
def test_each_retry_waits_longer_up_to_the_cap(kata, run, clock, source):
    """Avant chaque retry, la task attend plus longtemps, jusqu'au plafond."""
    run(_without_jitter(kata.load_customers), source.url)

    waits = _rounded(clock.retry_waits)
    assert waits == [10, 20, 40, 60, 60], explain(
        expected="sans jitter, des attentes de [10, 20, 40, 60, 60] s avant les cinq retries",
        got=f"attentes : {waits} s",
    )


@pytest.mark.todo(2)
def test_prefect_does_the_waiting(kata, run, clock, source):
    """C'est Prefect qui attend, autant de fois qu'il y a de pannes : votre code n'appelle pas `sleep`."""
    source.play([503, DROP, OK])

    record = run(_without_jitter(kata.load_customers), source.url)

    waits = (_rounded(clock.retry_waits), _rounded(clock.student_waits))
    assert (record.state.name, *waits) == ("Completed", [10, 20], []), explain(
        expected="après deux pannes, une task « Completed » ; Prefect a attendu [10, 20] s, votre code [] s",
        got=f"une task {record} ; Prefect a attendu {waits[0]} s, votre code {waits[1]} s",
    )


@pytest.mark.todo(2)
def test_only_the_task_starts_again(kata, run, clock, source):
    """Seule la task recommence, cinq fois : si la source reste morte, le flow échoue."""
    record = run(kata.nightly_load, source.url)

    seen = (source.requests, len(clock.retry_waits), record.state.name)
    assert seen == (6, 5, "Failed"), explain(
        expected="6 requêtes, 5 attentes de Prefect entre elles, puis un flow « Failed »",
        got=f"{source.requests} requête(s), {len(clock.retry_waits)} attente(s) de Prefect, puis un flow {record}",
    )


@pytest.mark.todo(3)
def test_jitter_stretches_a_wait_by_half_at_most(kata, run, clock, source, monkeypatch):
    """Le hasard allonge chaque attente de moitié au plus, même celles du plafond."""
    ranges = []
    for draw in (min, max):
        clock.waits.clear()
        monkeypatch.setattr(random, "uniform", draw)
        run(kata.load_customers, source.url)
        ranges.append(_rounded(clock.retry_waits))

    assert ranges == [[6, 13, 25, 38, 38], [15, 30, 60, 90, 90]], explain(
        expected="selon le tirage, de [6, 13, 25, 38, 38] à [15, 30, 60, 90, 90] s d'attente",
        got=f"de {ranges[0]} à {ranges[1]} s d'attente",
    )


@pytest.mark.todo(3)
def test_clients_do_not_come_back_together(load_kata, run, clock, source):
    """Trois clients qui échouent à la même seconde reviennent à des moments différents."""
    comebacks = []
    for client in range(3):
        random.seed(client)
        clock.waits.clear()
        source.play([503, OK])
        run(load_kata().load_customers, source.url)
        comebacks.append(round(sum(clock.retry_waits), 1))

    assert len(set(comebacks)) == 3, explain(
        expected="après la panne, trois clients et trois moments de retour",
        got=f"retours après {comebacks} s d'attente",
    )


def _without_jitter(load_customers: Callable) -> Callable:
    # Si ce n'est pas une task, `run` le dira mieux.
    is_task = hasattr(load_customers, "retry_jitter_factor")
    return load_customers.with_options(retry_jitter_factor=None) if is_task else load_customers


def _rounded(seconds: list[float]) -> list[int]:
    # Prefect déduit de chaque attente les quelques millisecondes qu'il vient de passer à la préparer.
    return [round(value) for value in seconds]
