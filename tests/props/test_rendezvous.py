"""Le rendez-vous compte juste, sans attendre : sa patience est infinie, un test qui y tiendrait ne finirait pas."""

import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from prefect.futures import PrefectConcurrentFuture, as_completed, wait

from atelier.props import rendezvous
from atelier.props.rendezvous import Rendezvous, watching_waits

GUESTS = 6


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attendre pour rien bloquerait le test."""
    monkeypatch.setattr(rendezvous, "PATIENCE_SECONDS", None)


@contextmanager
def _pool(size: int) -> Iterator[Callable[..., PrefectConcurrentFuture]]:
    """Lance des calculs comme Prefect : `size` threads, et des futures à lui."""
    with ThreadPoolExecutor(size) as pool:
        yield lambda call: PrefectConcurrentFuture(uuid.uuid4(), pool.submit(call))


def _by_a_queue(futures: list[PrefectConcurrentFuture]) -> None:
    """Attend sans Prefect : chaque future finie se met dans une file."""
    done: queue.Queue[PrefectConcurrentFuture] = queue.Queue()
    for future in futures:
        future.add_done_callback(done.put)
    for _ in futures:
        done.get()


def _attend(meeting: Rendezvous) -> None:
    with meeting.attending():
        pass


@pytest.mark.parametrize("size", range(1, GUESTS + 2))
@pytest.mark.parametrize(
    "gather",
    [wait, lambda futures: [*as_completed(futures)], lambda futures: _by_a_queue(futures)],
    ids=["wait", "as_completed", "queue"],
)
def test_peak_is_the_number_of_places(size: int, gather: Callable) -> None:
    """Quel que soit le nombre de places, on compte autant de présents, ou tous les invités."""
    meeting = Rendezvous(GUESTS)
    with meeting.watching(), _pool(size) as submit:
        gather([submit(lambda: _attend(meeting)) for _ in range(GUESTS)])

    assert min(size, GUESTS) == meeting.peak


def test_calls_one_after_the_other_never_meet() -> None:
    """Un flow qui attend chaque calcul avant le suivant, ou qui le fait lui-même, n'en a jamais deux à la fois."""
    meeting = Rendezvous(GUESTS)
    with meeting.watching(), _pool(GUESTS) as submit:
        submit(lambda: _attend(meeting)).result()
        submit(lambda: _attend(meeting)).wait()
        _attend(meeting)

    assert 1 == meeting.peak


def test_threads_of_before_are_not_expected() -> None:
    """Les threads d'un flow précédent ne sont pas des invités."""
    with _pool(3) as submit_before:
        wait([submit_before(lambda: None) for _ in range(3)])
        meeting = Rendezvous(GUESTS)
        with meeting.watching(), _pool(2) as submit:
            wait([submit(lambda: _attend(meeting)) for _ in range(GUESTS)])

    assert 2 == meeting.peak


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Un flow qui attend autrement que par Prefect finit quand même, et le compte reste juste."""
    monkeypatch.setattr(rendezvous, "PATIENCE_SECONDS", 0.05)
    meeting = Rendezvous(GUESTS)
    with meeting.watching(), _pool(2) as submit:
        futures = [submit(lambda: _attend(meeting)) for _ in range(GUESTS)]
        while not all(future.wrapped_future.done() for future in futures):
            pass

    assert meeting.peak <= 2


def test_wait_is_noticed_only_when_it_waits() -> None:
    """Attendre ce qui est fini n'est pas attendre ; attendre un seul calcul n'est pas attendre le premier venu."""
    noticed: list[bool] = []
    with _pool(1) as submit:
        done, one, first = submit(lambda: None), threading.Event(), threading.Event()
        wait([done])
        with watching_waits(lambda alone: noticed.append(alone) or (one if alone else first).set()):
            done.wait()
            done.result()
            submit(one.wait).wait()
            [*as_completed([submit(first.wait)])]

    assert [True, False] == noticed
