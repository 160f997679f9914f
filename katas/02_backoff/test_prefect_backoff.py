"""Le temps est simulé, le hasard tiré d'avance ; la source, elle, est un vrai serveur HTTP en panne."""

import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier.feedback.verdict import explain
from atelier.props.flaky_source import DROP, OK, FlakySource
from atelier.props.properties import property_of_function

HALVES = st.integers(1, 200).map(lambda number: number / 2)


@pytest.fixture
def source() -> Iterator[FlakySource]:
    """Une source morte, tant que le test n'en décide pas autrement."""
    with FlakySource([503]) as source:
        yield source


@pytest.mark.todo(1)
def test_delays_go_from_ten_to_sixty_seconds(kata):
    """Sans autre précision, on part de 10 s et on ne dépasse jamais 60 s."""
    delays = kata.backoff_delays(5)

    assert delays == [10, 20, 40, 60, 60], explain(expected="backoff_delays(5) rend [10, 20, 40, 60, 60]", got=delays)


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
    run(_with_options(kata.load_customers, retry_jitter_factor=None), source.url)

    waits = _readable(clock.retry_waits)
    assert waits == [10, 20, 40, 60, 60], explain(
        expected="sans jitter, des attentes de [10, 20, 40, 60, 60] s avant les cinq retries",
        got=f"attentes : {waits} s",
    )


@pytest.mark.todo(2)
def test_prefect_does_the_waiting(kata, run, clock, source):
    """C'est Prefect qui attend, autant de fois qu'il y a de pannes : votre code n'appelle pas `sleep`."""
    source.play([503, DROP, OK])

    record = run(_with_options(kata.load_customers, retry_jitter_factor=None), source.url)

    waits = (_readable(clock.retry_waits), _readable(clock.student_waits))
    assert (record.state.name, *waits) == ("Completed", [10, 20], []), explain(
        expected="après deux pannes, une task « Completed » ; attentes de Prefect : [10, 20] s, de votre code : []",
        got=f"une task {record} ; attentes de Prefect : {waits[0]} s, de votre code : {waits[1]}",
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
    """Le hasard allonge une attente de moitié au plus, même quand elle est au plafond."""
    load_customers = _with_options(kata.load_customers, retries=2, retry_delay_seconds=[10, 60])
    waits = {}
    for draw in (min, max):
        clock.waits.clear()
        monkeypatch.setattr(random, "uniform", draw)
        run(load_customers, source.url)
        waits[draw] = _rounded(clock.retry_waits)

    assert (waits[min], waits[max]) == ([6, 38], [15, 90]), explain(
        expected="selon le tirage, [10, 60] s d'attente deviennent de [6, 38] s à [15, 90] s",
        got=f"de {waits[min]} s à {waits[max]} s",
    )


@pytest.mark.todo(3)
def test_clients_do_not_come_back_together(load_kata, run, clock, source, monkeypatch):
    """Trois clients qui échouent à la même seconde reviennent à des moments différents."""
    comebacks = []
    for client in range(3):
        clock.waits.clear()
        # Un hasard par client, et à part : les websockets de Prefect tirent aussi dans `random`.
        dice = random.Random(client)
        monkeypatch.setattr(random, "seed", dice.seed)
        monkeypatch.setattr(random, "uniform", dice.uniform)
        run(_with_options(load_kata().load_customers, retries=1, retry_delay_seconds=10), source.url)
        comebacks.append(round(sum(clock.retry_waits), 1))

    assert len(set(comebacks)) == 3, explain(
        expected="après la panne, trois clients et trois moments de retour",
        got=f"retours après {comebacks} s d'attente",
    )


def _with_options(load_customers: Callable, **options: object) -> Callable:
    # Si ce n'est pas une task, `run` le dira mieux.
    is_task = hasattr(load_customers, "retry_jitter_factor")
    return load_customers.with_options(**options) if is_task else load_customers


def _readable(seconds: list[float]) -> list[float]:
    return [int(value) if value == int(value) else value for value in seconds]


def _rounded(seconds: list[float]) -> list[int]:
    # Les bornes du tirage ne tombent pas juste ; à la seconde près, elles se lisent mieux.
    return [round(value) for value in seconds]
