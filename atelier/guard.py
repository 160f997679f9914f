"""Rend la main quoi que fasse le code d'un étudiant : boucle sans fin, `os._exit`, thread oublié.

Sous Linux et macOS, une alarme interrompt le thread principal, même bloqué. Windows n'a pas d'alarme : un
thread de garde y interrompt les boucles en Python, et pytest-timeout reste le dernier recours.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from atelier.errors import Interruption, StudentMistake
from atelier.paths import shown

RING_EVERY_SECONDS = 1.0
# Un code qui avale dix interruptions de suite ne rendra jamais la main : il faut quitter.
RINGS_BEFORE_EXIT = 10
THREAD_GRACE_SECONDS = 0.3


class Guard:
    """Surveille le code des fichiers de katas ; `mistake` est la première faute constatée depuis `reset`.

    `is_student_code` dit si un fichier source est celui d'un étudiant. `last_words` affiche un message malgré
    la capture de pytest : il ne sert que si le code refuse toute interruption.
    """

    def __init__(self, is_student_code: Callable[[str], bool], last_words: Callable[[str], None]) -> None:
        self._is_student_code = is_student_code
        self._last_words = last_words
        self.mistake: StudentMistake | None = None

    def reset(self) -> None:
        """Oublie les fautes du test précédent."""
        self.mistake = None

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Interrompt le code d'étudiant qui dure plus de `seconds`, dans tous ses threads."""
        rings = 0

        def ring() -> None:
            nonlocal rings
            rings += 1
            self._blame_running_code(seconds)
            if rings > RINGS_BEFORE_EXIT:
                self._give_up()
            self._interrupt_threads()

        with _alarm(seconds, ring) if hasattr(signal, "SIGALRM") else _watchdog(seconds, ring):
            yield

    @contextmanager
    def no_exit(self) -> Iterator[None]:
        """Empêche le code d'étudiant de terminer pytest par `os._exit` ou `os.abort`."""
        originals = {name: getattr(os, name) for name in ("_exit", "abort")}
        for name, original in originals.items():
            setattr(os, name, self._refusing(name, original))
        try:
            yield
        finally:
            for name, original in originals.items():
                setattr(os, name, original)

    @contextmanager
    def no_leftover_thread(self) -> Iterator[None]:
        """Constate, à la sortie, les threads que le fichier a lancés et qui tournent encore."""
        before = set(threading.enumerate())
        try:
            yield
        finally:
            self._blame_leftover_threads(before)

    def _refusing(self, name: str, original: Callable[..., object]) -> Callable[..., object]:
        def refuse(*arguments: object) -> object:
            frame = sys._getframe(1)
            if not self._is_student_code(frame.f_code.co_filename):
                return original(*arguments)
            self._blame(
                expected="du code qui laisse Python continuer",
                got=f"un appel à os.{name}, qui tue Python",
                frame=frame,
            )
            raise Interruption(f"os.{name}")

        return refuse

    def _blame_running_code(self, seconds: float) -> None:
        frames = [self._student_frame(frame) for frame in sys._current_frames().values()]
        frame = next((frame for frame in frames if frame), None)
        got = f"pas de réponse après {seconds:g} s" + (" : une boucle sans fin ?" if frame else "")
        self._blame(expected="du code qui se termine", got=got, frame=frame)

    def _blame_leftover_threads(self, before: set[threading.Thread]) -> None:
        for thread in set(threading.enumerate()) - before:
            if not self._belongs_to_student(thread):
                continue
            thread.join(THREAD_GRACE_SECONDS)
            if thread.is_alive():
                frame = self._student_frame(sys._current_frames().get(thread.ident or 0))
                got = f"le thread « {thread.name} » tourne encore"
                self._blame(expected="un test qui finit sans rien laisser derrière lui", got=got, frame=frame)
                _raise_in(thread)

    def _belongs_to_student(self, thread: threading.Thread) -> bool:
        target = getattr(thread, "_target", None)
        code = getattr(target, "__code__", None)
        from_file = code is not None and self._is_student_code(code.co_filename)
        return from_file or self._student_frame(sys._current_frames().get(thread.ident or 0)) is not None

    def _blame(self, *, expected: str, got: str, frame: FrameType | None) -> None:
        path, line = (frame.f_code.co_filename, frame.f_lineno) if frame else (None, None)
        self.mistake = self.mistake or StudentMistake(expected, got, path, line)

    def _give_up(self) -> None:
        where = (
            f" ({shown(self.mistake.path)}:{self.mistake.line})" if self.mistake and self.mistake.path else ""
        )
        self._last_words(
            f"Votre code ne rend pas la main et avale les interruptions{where} : sortez-le de sa boucle, "
            "puis relancez pytest."
        )
        os._exit(1)

    def _student_frame(self, frame: FrameType | None) -> FrameType | None:
        while frame and not self._is_student_code(frame.f_code.co_filename):
            frame = frame.f_back
        return frame

    def _interrupt_threads(self) -> None:
        for thread in threading.enumerate():
            frame = sys._current_frames().get(thread.ident or 0)
            if thread is not threading.main_thread() and self._student_frame(frame):
                _raise_in(thread)


@contextmanager
def _alarm(seconds: float, ring: Callable[[], None]) -> Iterator[None]:
    def on_alarm(signum: int, frame: FrameType | None) -> None:
        ring()
        raise Interruption("délai dépassé")

    previous = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds, RING_EVERY_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextmanager
def _watchdog(seconds: float, ring: Callable[[], None]) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        delay = seconds
        while not over.wait(delay):
            ring()
            _raise_in(threading.main_thread())
            delay = RING_EVERY_SECONDS

    watcher = threading.Thread(target=watch, name="atelier-watchdog", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()


def _raise_in(thread: threading.Thread) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Interruption)
    )
