"""Rend la main quoi que fasse le code d'un étudiant : boucle sans fin, `os._exit`, thread oublié.

Ce module dit ce qui est une faute, et laquelle ; `interruption.py` sait interrompre. Là où il n'y a pas d'alarme,
pytest-timeout reste le dernier recours.
"""

import builtins
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from time import monotonic, process_time
from types import FrameType

import pytest

from atelier.sandbox.interruption import (
    alarm,
    has_alarm,
    is_loading_package,
    keyboard,
    number_lines,
    outlives,
    raise_in,
    watchdog,
)
from atelier.sandbox.mistakes import EndlessCode, Interruption, StudentMistake

# Un code qui avale dix interruptions de suite ne rendra jamais la main : il faut quitter.
RINGS_BEFORE_EXIT = 10
THREAD_GRACE_SECONDS = 0.3
# Un premier import, sur un disque lent, dure plus qu'un test ; aucun ne dure autant.
LONGEST_LOADING_SECONDS = 60
# La part du temps où un code qui calcule tient le processeur, même s'il le partage avec d'autres.
BUSY_SHARE = 0.1
# Ce par quoi pytest s'arrête, ou saute un test.
STOPS_PYTEST = (
    KeyboardInterrupt,
    pytest.exit.Exception,
    pytest.fail.Exception,
    pytest.skip.Exception,
    pytest.xfail.Exception,
)
Place = tuple[str, int]


class Guard:
    """Surveille le code des fichiers de katas.

    `is_student_code` dit si un fichier source est celui d'un étudiant, `seconds` combien de temps on le laisse
    tourner. `last_words` affiche une faute malgré la capture de pytest : il ne sert que si le code refuse toute
    interruption. Tant que `is_debugging`, l'étudiant lit son code pas à pas, et rien ne le presse. Rien non
    plus tant que Ctrl-Z le suspend, ce dont `on_pause` prévient.
    """

    def __init__(
        self,
        is_student_code: Callable[[str], bool],
        last_words: Callable[[StudentMistake], None],
        seconds: float,
        is_debugging: Callable[[], bool] = lambda: False,
        on_pause: Callable[[], None] = lambda: None,
    ) -> None:
        self._is_student_code = is_student_code
        self._last_words = last_words
        self._is_debugging = is_debugging
        self._on_pause = on_pause
        self._seconds = self._allowed = seconds
        self._mistake: StudentMistake | None = None
        self._watching = False
        self._abandoned: set[int | None] = set()

    @property
    def has_abandoned_threads(self) -> bool:
        """Dit si des threads refusent de s'arrêter : Python les attendrait pour finir."""
        return not self._abandoned.isdisjoint(sys._current_frames())

    @property
    def is_watching(self) -> bool:
        """Dit si le code d'étudiant peut tourner : une boucle sans fin serait interrompue."""
        return self._watching

    @contextmanager
    def watching(self, seconds: float | None = None) -> Iterator[None]:
        """Exécute du code d'étudiant ; une faute constatée ici l'emporte sur ce qu'elle a provoqué.

        `seconds` remplace, cette fois, le délai de tous les autres tests.
        """
        if self._watching:
            # Un test qui charge lui-même le module est déjà surveillé, et son délai court.
            yield
            return
        self._watching, self._mistake, self._allowed = True, None, seconds or self._seconds
        try:
            with keyboard(self._interrupt_threads) as pressed, self._no_leftover_thread(), self._deadline():
                yield
        except BaseException as error:
            number_lines(error)
            self._raise_mistake(error, interrupted=pressed())
            raise
        finally:
            self._watching = False
        self._raise_mistake(None, interrupted=pressed())

    @contextmanager
    def no_exit(self) -> Iterator[None]:
        """Empêche le code d'étudiant de tuer pytest, ou de le suspendre à une question que personne ne verra."""
        exits = "du code qui laisse Python continuer", "un appel à os.{}, qui tue Python"
        question = "du code qui ne pose pas de question", "un appel à `{}`"
        with (
            _replaced(os, "_exit", self._refusing(os._exit, *exits)),
            _replaced(os, "abort", self._refusing(os.abort, *exits)),
            _replaced(builtins, "input", self._refusing(input, *question)),
        ):
            yield

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """Interrompt le code d'étudiant qui dure trop, dans tous ses threads.

        Le temps de charger un paquet n'est pas le sien : le délai repart quand c'est fait.
        """
        rings, loaded, patience = 0, -inf, monotonic() + LONGEST_LOADING_SECONDS
        worked = process_time()

        def ring() -> bool:
            nonlocal rings, loaded, worked
            if self._is_debugging():
                return False
            if monotonic() < patience and is_loading_package():
                loaded, worked = monotonic(), process_time()
            if monotonic() < loaded + self._allowed:
                return False
            rings += 1
            self._blame_running_code(is_busy=process_time() - worked > BUSY_SHARE * self._allowed)
            if rings > RINGS_BEFORE_EXIT:
                self._give_up()
            self._interrupt_threads()
            return True

        with alarm(self._allowed, ring, self._on_pause) if has_alarm() else watchdog(self._allowed, ring):
            yield

    @contextmanager
    def _no_leftover_thread(self) -> Iterator[None]:
        """Constate, à la sortie, les threads que le fichier a lancés et qui tournent encore."""
        before = set(threading.enumerate())
        started: dict[threading.Thread, Place] = {}
        start = threading.Thread.start

        def noting_start(thread: threading.Thread) -> None:
            if place := self._place(sys._getframe(1), deep=False):
                started[thread] = place
            start(thread)

        try:
            with _replaced(threading.Thread, "start", noting_start):
                yield
        finally:
            self._blame_leftover_threads(set(threading.enumerate()) - before, started)

    def _raise_mistake(self, error: BaseException | None, *, interrupted: bool) -> None:
        if interrupted:
            # Prefect, ou le code, a pu avaler le vrai Ctrl-C.
            raise KeyboardInterrupt from error
        mistake = self._mistake or self._disguised_exit(error)
        if mistake and mistake is not error:
            raise mistake from error

    def _disguised_exit(self, error: BaseException | None) -> StudentMistake | None:
        """La faute d'un code qui lève ce par quoi pytest s'arrête, ou saute un test."""
        if not isinstance(error, STOPS_PYTEST) or self._is_debugging():
            return None  # c'est aussi ainsi que l'on quitte pdb
        traceback, place = error.__traceback__, None
        while traceback:
            code = traceback.tb_frame.f_code
            place = (code.co_filename, traceback.tb_lineno) if self._is_student_code(code.co_filename) else place
            traceback = traceback.tb_next
        if place is None and not isinstance(error, KeyboardInterrupt):
            return None
        name = type(error).__name__
        return StudentMistake("du code qui laisse pytest continuer", f"votre code lève {name}", *(place or ()))

    def _refusing(self, original: Callable[..., object], expected: str, got: str) -> Callable[..., object]:
        def refuse(*arguments: object) -> object:
            place = self._place(sys._getframe(1), deep=False)
            if place is None:
                return original(*arguments)
            self._blame(expected=expected, got=got.format(original.__name__), place=place)
            raise Interruption(original.__name__)

        return refuse

    def _blame_running_code(self, *, is_busy: bool) -> None:
        running = sys._current_frames().items()
        places = [self._place(frame) for ident, frame in running if ident not in self._abandoned]
        place = next((place for place in places if place), None)
        got = f"pas de réponse après {self._allowed:g} s" + (" : une boucle sans fin ?" if place and is_busy else "")
        self._mistake = self._mistake or EndlessCode("du code qui se termine", got, *(place or ()))

    def _blame_leftover_threads(self, threads: set[threading.Thread], started: dict[threading.Thread, Place]) -> None:
        until = monotonic() + THREAD_GRACE_SECONDS
        for thread in threads:
            place = self._place_of(thread) or started.get(thread)
            if place and outlives(thread, until):
                got = f"le thread « {thread.name} » tourne encore"
                self._blame(expected="un test qui finit sans rien laisser derrière lui", got=got, place=place)
                self._abandoned.add(thread.ident)
                raise_in(thread)

    def _interrupt_threads(self) -> None:
        for thread in threading.enumerate():
            if thread is not threading.main_thread() and self._place_of(thread):
                raise_in(thread)

    def _give_up(self) -> None:
        self._last_words(self._mistake)
        os._exit(1)

    def _blame(self, *, expected: str, got: str, place: Place | None) -> None:
        self._mistake = self._mistake or StudentMistake(expected, got, *(place or ()))

    def _place_of(self, thread: threading.Thread) -> Place | None:
        return self._place(sys._current_frames().get(thread.ident or 0))

    def _place(self, frame: FrameType | None, *, deep: bool = True) -> Place | None:
        """Où l'on en est dans un fichier d'étudiant, d'après la pile (ou son sommet, sans `deep`)."""
        while deep and frame and not self._is_student_code(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is None or not self._is_student_code(frame.f_code.co_filename):
            return None
        return frame.f_code.co_filename, frame.f_lineno


@contextmanager
def _replaced(owner: object, name: str, value: object) -> Iterator[None]:
    # Pas `unittest.mock` : l'importer coûterait plus que tout ce que pytest fait avant le premier test.
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)
