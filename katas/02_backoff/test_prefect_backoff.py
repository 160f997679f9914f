"""Le temps est simulé : chaque attente est notée, personne n'attend. La source est un vrai serveur HTTP en panne."""

import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atelier.feedback.verdict import explain
from atelier.props.flaky_source import DROP, HTML, OK, ROWS, FlakySource
from atelier.props.properties import property_of_function

# Au millième : une attente arrondie se voit.
BASES = st.integers(0, 200_000).map(lambda number: number / 1000)
CAPS = st.one_of(BASES, st.integers(0, 10**12))
DELAYS = [10, 20, 40, 60, 60]


@pytest.fixture
def source() -> Iterator[FlakySource]:
    """Une source morte, tant que le test n'en décide pas autrement."""
    with FlakySource([503]) as source:
        yield source


@pytest.fixture
def nights(load_kata, run, clock, source, once, monkeypatch) -> Callable[[], list[SimpleNamespace]]:
    """La nuit de deux clients : leur source meurt. Celle du premier allait bien, et se relève."""

    def night(client: int) -> SimpleNamespace:
        # Un hasard par client, et à part : les websockets de Prefect tirent aussi dans `random`.
        dice = random.Random(client)
        monkeypatch.setattr(random, "seed", dice.seed)
        monkeypatch.setattr(random, "uniform", dice.uniform)
        # Un état que l'on remet vaut une graine, la même pour tous.
        monkeypatch.setattr(random, "setstate", lambda state: dice.seed(0))
        kata, seen = load_kata(), SimpleNamespace()
        clock.waits.clear()
        if client == 1:
            source.play([OK])
            seen.once_up, seen.requests_once_up = run(kata.nightly_load, source.url), source.requests
        source.play([HTML, 404, DROP, 429, 503])
        seen.flow = run(kata.nightly_load, source.url)
        seen.requests, seen.waits, seen.own_waits = source.requests, clock.retry_waits, clock.student_waits
        if client == 1:
            clock.waits.clear()
            source.play([503, DROP, OK])
            seen.task, seen.task_waits = run(kata.load_customers, source.url), clock.retry_waits
            seen.own_waits += clock.student_waits
        return seen

    return lambda: once("nights", lambda: [night(client) for client in (1, 2)])


@pytest.mark.todo(1)
def test_delays_go_from_ten_to_sixty_seconds(kata):
    """Sans autre précision, on part de 10 s et on ne dépasse jamais 60 s."""
    delays = kata.backoff_delays(5)

    assert isinstance(delays, list), explain(expected="backoff_delays(5) rend une liste", got=_shown(delays))
    assert delays == [10, 20, 40, 60, 60], explain(expected="backoff_delays(5) rend [10, 20, 40, 60, 60]", got=delays)


@pytest.mark.todo(1)
@property_of_function
@given(retries=st.integers(0, 50), base=BASES, cap=CAPS)
@example(retries=70, base=10, cap=60)
@example(retries=3, base=0, cap=60)
@example(retries=3, base=10, cap=0)
@example(retries=4, base=0.25, cap=60)
@example(retries=4, base=60, cap=10)
@example(retries=30, base=0.125, cap=10**9)
@example(retries=6, base=3, cap=25.5)
@example(retries=3, base=1 / 3, cap=60)
@example(retries=1, base=10, cap=60)
@example(retries=0, base=10, cap=60)
def test_delays_double_up_to_the_cap(kata, load_kata, retries, base, cap):
    """Chaque attente est le double de la précédente, ou le plafond s'il est plus bas ; un appel ne retient rien."""
    expected, delay = [], base
    for _ in range(retries):
        expected.append(min(delay, cap))
        delay *= 2

    delays = kata.backoff_delays(retries, base=base, cap=cap)

    if _is_list_of(delays, expected):
        return
    got = _shown(delays)
    # Le même appel refait, ou fait par un fichier neuf, ne rend pas la même chose.
    again, fresh = (module.backoff_delays(retries, base=base, cap=cap) for module in (kata, load_kata()))
    remembers = _shown(again) != got or _is_list_of(fresh, expected)
    memory = "la fonction retient les appels d'avant : " if remembers else ""
    raise AssertionError(
        explain(
            expected=f"backoff_delays({retries}, base={base}, cap={cap}) rend {expected}",
            got=f"{memory}{got}",
        )
    )


@pytest.mark.todo(2)
def test_each_retry_waits_longer_up_to_the_cap(kata, run, clock, source):
    """Avant chaque retry, la task attend plus longtemps, jusqu'au plafond."""
    record = run(_with_options(kata.load_customers, retry_jitter_factor=None), source.url)

    waits = _readable(clock.retry_waits)
    assert waits == DELAYS, explain(
        expected="sans jitter, des attentes de [10, 20, 40, 60, 60] s avant les cinq retries",
        got=f"attentes : {waits} s ; la task finit en {record}{_retries_of(kata)}",
    )


@pytest.mark.todo(2)
def test_prefect_does_the_waiting(nights):
    """C'est Prefect qui attend, autant de fois qu'il y a de pannes : ni votre task ni votre flow n'attendent."""
    night = nights()[0]

    seen = (night.task.state.name, len(night.task_waits), night.own_waits)
    assert seen == ("Completed", 2, []), explain(
        expected="la source se relève après deux pannes : une task « Completed », 2 attentes de Prefect ; "
        "aucune de votre code, ni dans la task ni dans le flow, pas même une boucle qui relit l'heure",
        got=f"une task {night.task} ; attentes de Prefect : {_readable(night.task_waits)} s, "
        f"de votre code : {_readable(night.own_waits)} s",
    )
    assert (night.requests_once_up, night.once_up.value) == (1, ROWS), explain(
        expected=f"quand la source va bien, une requête, et un flow qui rend {ROWS}, le nombre de clients",
        got=f"{night.requests_once_up} requête(s), et un flow {night.once_up} qui rend {night.once_up.value}",
    )


@pytest.mark.todo(2)
def test_only_the_task_starts_again(nights):
    """Seule la task recommence, cinq fois, quelle que soit l'erreur ; puis le flow échoue."""
    night = nights()[0]

    seen = (night.requests, len(night.waits), night.flow.state.name)
    assert seen == (6, 5, "Failed"), explain(
        expected="après une page HTML, les codes 404, 429 et 503, une connexion coupée : 6 requêtes, 5 attentes "
        "de Prefect entre elles, puis un flow « Failed »",
        got=f"{night.requests} requête(s), {len(night.waits)} attente(s) de Prefect, puis un flow {night.flow}",
    )
    # Avec ou sans hasard : au plus chanceux, un gros tiers de moins ; au plus malchanceux, la moitié en plus.
    fair = all(0.6 * delay <= wait <= 1.5 * delay for wait, delay in zip(night.waits, DELAYS, strict=True))
    assert fair, explain(
        expected=f"dans le flow, les mêmes attentes que pour la task seule, {DELAYS} s, au hasard près",
        got=f"{[round(wait) for wait in night.waits]} s",
    )


@pytest.mark.todo(3)
def test_jitter_stretches_a_wait_by_half_at_most(kata, run, clock, source, monkeypatch):
    """Le hasard allonge une attente de moitié au plus, même quand elle est au plafond."""
    load_customers = _with_options(kata.load_customers, retries=2, retry_delay_seconds=[10, 60])
    waits, record = {}, None
    for draw in (min, max):
        clock.waits.clear()
        monkeypatch.setattr(random, "uniform", draw)
        record = run(load_customers, source.url)
        waits[draw] = _rounded(clock.retry_waits)

    assert (waits[min], waits[max]) == ([6, 38], [15, 90]), explain(
        expected="au plus chanceux, des attentes de 10 et 60 s en durent [6, 38] ; au plus malchanceux, [15, 90]",
        got=f"au plus chanceux, {waits[min] or 'aucune attente'} ; au plus malchanceux, "
        f"{waits[max] or 'aucune attente'} ; la task finit en {record}",
    )


@pytest.mark.todo(3)
def test_clients_do_not_come_back_together(nights):
    """Deux clients qui échouent à la même seconde reviennent à des moments différents."""
    comebacks = [[round(seconds, 1) for seconds in night.waits] for night in nights()]

    assert comebacks[0] != comebacks[1], explain(
        expected="après la même panne, deux clients attendent des temps différents, dans le flow aussi",
        got=f"attentes du premier : {comebacks[0]} s, du second : {comebacks[1]} s",
    )


def _with_options(load_customers: Callable, **options: object) -> Callable:
    # Si ce n'est pas une task, `run` le dira mieux.
    is_task = hasattr(load_customers, "retry_jitter_factor")
    return load_customers.with_options(**options) if is_task else load_customers


def _retries_of(kata: object) -> str:
    retries = getattr(kata.load_customers, "retries", None)
    return "" if retries in (5, None) else f" ; `retries` valait 5, il vaut {retries}"


def _is_list_of(delays: object, expected: list[float]) -> bool:
    return isinstance(delays, list) and delays == pytest.approx(expected)


def _shown(delays: object) -> str:
    if isinstance(delays, list):
        return str(delays)
    return "rien (None)" if delays is None else f"un objet {type(delays).__name__}, pas une liste : {delays}"


def _readable(seconds: list[float]) -> list[float]:
    return [int(value) if value == int(value) else value for value in seconds]


def _rounded(seconds: list[float]) -> list[int]:
    # Les bornes du tirage ne tombent pas juste ; à la seconde près, elles se lisent mieux.
    return [round(value) for value in seconds]
