"""Toutes les façons d'attendre qu'a le code d'un étudiant : notées, et presque toutes simulées.

Chacune est remplacée pour tout le processus ; celui qui appelle dit si c'est l'étudiant qui attend, ou un autre.
"""

import asyncio
import select
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

# Une attente, en secondes ; et, d'un fichier source, s'il est celui d'un étudiant.
Note = Callable[[float], None]
IsStudentCode = Callable[[str], bool]
# Qui relit l'heure plus souvent, à la même ligne, attend qu'elle passe.
READINGS = 1000
HOURS = ("time", "monotonic", "perf_counter")
# Des bibliothèques qui attendent quand le code de l'étudiant le leur demande : c'est lui qui attend.
WAITING_FOR_STUDENT = ("discord_webhook.webhook", "urllib3.util.retry")


@contextmanager
def noted_waits(note: Note, is_student_code: IsStudentCode) -> Iterator[None]:
    """Le temps du bloc, note chaque attente du code d'étudiant."""
    with ExitStack() as stack:
        for place, name, replacement in (
            (time, "sleep", _sleep_of),
            (asyncio, "sleep", _async_sleep_of),
            (threading.Event, "wait", _event_wait_of),
            (threading.Thread, "join", _join_of),
            (select, "select", _select_of),
        ):
            stack.enter_context(patch.object(place, name, replacement(note, is_student_code)))
        for name in HOURS:
            stack.enter_context(patch.object(time, name, _hour_of(name, note, is_student_code)))
        yield


def _sleep_of(note: Note, is_student_code: IsStudentCode) -> Callable[[float], None]:
    """Le `time.sleep` de tous : simulé pour l'étudiant et pour ce qui attend à sa demande, réel pour les autres."""
    real = time.sleep

    def sleep(seconds: float) -> None:
        caller = sys._getframe(1)
        by_student = is_student_code(caller.f_code.co_filename)
        if by_student or caller.f_globals.get("__name__") in WAITING_FOR_STUDENT:
            note(seconds)
        else:
            real(seconds)

    return sleep


def _async_sleep_of(note: Note, is_student_code: IsStudentCode) -> Callable[..., Awaitable[Any]]:
    real = asyncio.sleep

    def sleep(delay: float, result: Any = None) -> Awaitable[Any]:
        if not is_student_code(sys._getframe(1).f_code.co_filename):
            return real(delay, result)
        note(delay)
        return real(0, result)

    return sleep


def _event_wait_of(note: Note, is_student_code: IsStudentCode) -> Callable[..., bool]:
    """Le `wait` de tous, qui attend vraiment : un autre thread peut répondre. Si aucun ne répond, c'est un `sleep`."""
    real = threading.Event.wait

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        is_set = real(event, timeout)
        if timeout and not is_set and is_student_code(sys._getframe(1).f_code.co_filename):
            note(timeout)
        return is_set

    return wait


def _join_of(note: Note, is_student_code: IsStudentCode) -> Callable[..., None]:
    """Le `join` de tous ; attendre un `Timer`, c'est attendre le temps qu'on lui a donné."""
    real = threading.Thread.join

    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        if isinstance(thread, threading.Timer) and is_student_code(sys._getframe(1).f_code.co_filename):
            note(thread.interval)
        real(thread, timeout)

    return join


def _select_of(note: Note, is_student_code: IsStudentCode) -> Callable[..., tuple]:
    """Le `select` de tous ; sans rien à surveiller, c'est un `sleep`."""
    real = select.select

    def wait(*watched: Any) -> tuple:
        if any(watched[:3]) or not watched[3:] or not is_student_code(sys._getframe(1).f_code.co_filename):
            return real(*watched)
        note(watched[3])
        return [], [], []

    return wait


def _hour_of(name: str, note: Note, is_student_code: IsStudentCode) -> Callable[[], float]:
    """L'heure que lisent tous ; à force de la relire à la même ligne, le code d'étudiant attend."""
    real: Callable[[], float] = getattr(time, name)
    first: dict[tuple[str, int], float] = {}
    readings: dict[tuple[str, int], int] = {}

    def hour() -> float:
        now, caller = real(), sys._getframe(1)
        if is_student_code(caller.f_code.co_filename):
            line = caller.f_code.co_filename, caller.f_lineno
            readings[line] = readings.get(line, 0) + 1
            if readings[line] == READINGS:
                note(round(now - first[line], 3))
            first.setdefault(line, now)
        return now

    return hour
