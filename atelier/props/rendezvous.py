"""Compter exactement les calculs qui ont lieu en même temps, sans rien mesurer.

Un calcul trop court finirait avant que le suivant commence. Chacun s'arrête donc au rendez-vous, jusqu'à ce que plus
personne ne puisse venir : le flow attend, il ne lancera rien d'autre ; et chaque thread qu'il a lancé est arrivé.
"""

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import _base
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

# Un filet, pour un flow qui attend autrement que par les futures de Prefect : les autres ne vont pas jusque-là.
PATIENCE_SECONDS = 5.0
# Le nom des threads qui exécutent les tasks ; Prefect en a d'autres, pour lui.
POOL = "ThreadPoolExecutor-"
# Ils attendent pour leur propre compte : `Guard` lui-même attend qu'un thread soit né.
_LIBRARIES = (str(Path(threading.__file__).parent), str(Path(__file__).parents[1]))
# Où Python attend pour qui le lui demande : `queue.Queue.get`, `threading.Event.wait`, `concurrent.futures.wait`.
WAITING_ROOMS = {threading.__file__, queue.__file__, _base.__file__}


class Rendezvous:
    """Un point de passage pour `guests` calculs d'un flow ; `peak` est le plus grand nombre de présents à la fois."""

    def __init__(self, guests: int) -> None:
        self.peak = 0
        self._guests = guests
        self._present = 0
        self._flow_waits = False
        self._is_open = False
        self._changed = threading.Condition()
        self._before = _pool_threads()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Entoure le flow, dans son thread."""
        self._flow_thread = threading.current_thread()
        with watching_waits(lambda alone: self._note_wait()):
            yield

    @contextmanager
    def attending(self) -> Iterator[None]:
        """Entoure le calcul, qui attend ici tous ceux qui peuvent venir."""
        with self._changed:
            self._present += 1
            self.peak = max(self.peak, self._present)
            self._changed.notify_all()
            self._changed.wait_for(self._nobody_else_can_come, PATIENCE_SECONDS)
            self._is_open = True
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._present -= 1

    def _note_wait(self) -> None:
        with self._changed:
            self._flow_waits = True
            self._changed.notify_all()

    def _nobody_else_can_come(self) -> bool:
        if self._is_open or self._present == self._guests or threading.current_thread() is self._flow_thread:
            return True
        return self._flow_waits and self._present == len(_pool_threads() - self._before)


@contextmanager
def watching_waits(notice: Callable[[bool], None]) -> Iterator[None]:
    """Appelle `notice` quand un flow se met à attendre des task runs : un seul (vrai), ou le premier venu (faux).

    S'emploie dans le thread du flow, qui peut attendre par les futures de Prefect ou, de lui-même, par ce que Python
    lui donne : une file que des `add_done_callback` remplissent, par exemple.
    """
    from prefect import futures
    from prefect.task_runners import ThreadPoolTaskRunner

    class Event(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if not self.is_set():
                notice(False)
            return super().wait(timeout)

    def noticing(owner: type, name: str, is_over: Callable[[Any], bool]) -> Any:
        method = getattr(owner, name)

        def noticed(self: Any, *arguments: Any, **keywords: Any) -> Any:
            if not is_over(self):
                notice(True)
            return method(self, *arguments, **keywords)

        return patch.object(owner, name, noticed)

    with (
        noticing(futures.PrefectConcurrentFuture, "wait", lambda future: future.wrapped_future.done()),
        noticing(futures.PrefectConcurrentFuture, "result", lambda future: future.wrapped_future.done()),
        noticing(ThreadPoolTaskRunner, "__exit__", lambda runner: False),
        # Ce par quoi `as_completed` attend.
        patch.object(futures, "threading", SimpleNamespace(**vars(threading) | {"Event": Event})),
        patch.object(threading.Condition, "wait", _noticing_wait(notice, threading.current_thread())),
    ):
        yield


def _noticing_wait(notice: Callable[[bool], None], flow_thread: threading.Thread) -> Callable[..., bool]:
    python_wait = threading.Condition.wait

    def wait(self: threading.Condition, timeout: float | None = None) -> bool:
        if threading.current_thread() is flow_thread:
            who, alone = _who_waits()
            if not _is_internal(who):
                notice(alone)
        return python_wait(self, timeout)

    return wait


def _who_waits() -> tuple[str, bool]:
    """Le fichier qui demande à Python d'attendre ; et si c'est un seul résultat qu'il attend."""
    frame, alone = sys._getframe(2), False
    while frame.f_back and frame.f_code.co_filename in WAITING_ROOMS:
        alone = alone or (frame.f_code.co_filename, frame.f_code.co_name) == (_base.__file__, "result")
        frame = frame.f_back
    return frame.f_code.co_filename, alone


def _is_internal(file: str) -> bool:
    """Dit si c'est une bibliothèque, ou l'atelier, qui attend pour son propre compte."""
    return "site-packages" in file or file.startswith(_LIBRARIES)


def _pool_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(POOL)}
