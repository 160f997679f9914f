"""La mécanique de l'interruption : une alarme, un thread de garde, Ctrl-C, une exception levée dans un autre thread.

Sous Linux et macOS, une alarme interrompt le thread principal, même bloqué. Windows n'a pas d'alarme : un thread de
garde y interrompt les boucles en Python.
"""

import ctypes
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from types import FrameType, TracebackType

from atelier.sandbox.mistakes import Interruption

RING_EVERY_SECONDS = 1.0
# Ce que l'atelier a installé : Python, les paquets, l'atelier lui-même.
INSTALLED = tuple({sys.prefix, sys.base_prefix, str(Path(__file__).parents[1])})
IMPORTER = "<frozen importlib"


def number_lines(error: BaseException | None) -> None:
    """Numérote chaque ligne de la trace : une alarme interrompt aussi ce qui n'a pas de numéro, et pytest en exige."""
    seen = set()  # une exception peut être sa propre cause
    while error and id(error) not in seen:
        seen.add(id(error))
        entries = []
        entry = error.__traceback__
        while entry:
            entries.append(entry)
            entry = entry.tb_next
        if any(entry.tb_lineno is None for entry in entries):
            numbered = None
            for entry in reversed(entries):
                line = entry.tb_lineno or entry.tb_frame.f_code.co_firstlineno
                numbered = TracebackType(numbered, entry.tb_frame, entry.tb_lasti, line)
            error.__traceback__ = numbered
        error = error.__cause__ or error.__context__


def has_alarm() -> bool:
    """Dit si ce système et ce thread ont une alarme."""
    return hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()


@contextmanager
def alarm(seconds: float, ring: Callable[[], bool], on_pause: Callable[[], None]) -> Iterator[None]:
    """Sonne, dans ce thread, au bout de `seconds` puis chaque seconde ; l'interrompt si `ring` le veut.

    Le temps où Ctrl-Z suspend le processus ne compte pas ; `on_pause` prévient qu'il va l'être.
    """
    over = False

    def on_alarm(signum: int, frame: FrameType | None) -> None:
        if not over and ring():
            raise Interruption("délai dépassé")

    previous = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds, RING_EVERY_SECONDS)
    try:
        try:
            with _pausable(on_pause):
                yield
        finally:
            # D'abord ceci, en une instruction : une sonnerie pendant le rangement l'empêcherait d'aboutir.
            over = True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextmanager
def watchdog(seconds: float, ring: Callable[[], bool]) -> Iterator[None]:
    """De même, là où il n'y a pas d'alarme : un autre thread sonne."""
    watched = threading.current_thread()
    over, ringing = threading.Event(), threading.Lock()

    def watch() -> None:
        delay = seconds
        while not over.wait(delay):
            with ringing:
                if not over.is_set() and ring():
                    raise_in(watched)
            delay = RING_EVERY_SECONDS

    threading.Thread(target=watch, name="atelier-watchdog", daemon=True).start()
    try:
        yield
    finally:
        try:
            over.set()
            with ringing:
                raise_in(watched, None)  # une sonnerie arrivée trop tard
        finally:
            over.set()


@contextmanager
def keyboard(interrupt_threads: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Distingue un vrai Ctrl-C d'un `KeyboardInterrupt` que le code lève lui-même, et l'étend à ses threads."""
    presses = 0

    def on_press(signum: int, frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        interrupt_threads()
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGINT, on_press) if ours else None
    try:
        yield lambda: presses > 0
    finally:
        if ours:
            signal.signal(signal.SIGINT, previous)


@contextmanager
def _pausable(on_pause: Callable[[], None]) -> Iterator[None]:
    """Arrête l'alarme tant que Ctrl-Z suspend le processus ; `fg` la remet, avec ce qu'il lui restait à attendre."""

    def on_stop(signum: int, frame: FrameType | None) -> None:
        remaining = signal.setitimer(signal.ITIMER_REAL, 0)
        on_pause()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)  # suspendu ici ; `fg` continue à la ligne suivante
        signal.signal(signal.SIGTSTP, on_stop)
        signal.setitimer(signal.ITIMER_REAL, *remaining)

    # Un processus que rien ne doit suspendre l'ignore : il continue à l'ignorer.
    ours = signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTSTP, on_stop)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)


def outlives(thread: threading.Thread, until: float) -> bool:
    """Attend la fin du thread ; une fois interrompus, `join` et `is_alive` de Python 3.11 le croient fini."""
    while thread.ident in sys._current_frames():
        if monotonic() > until:
            return True
        sleep(0.01)
    return False


def is_loading_package() -> bool:
    """Dit si un thread charge un paquet installé : l'interrompre laisserait ce paquet à moitié chargé, pour tous."""
    return any(_is_loading_package(frame) for frame in sys._current_frames().values())


def _is_loading_package(frame: FrameType | None) -> bool:
    module = ""
    while frame and not frame.f_code.co_filename.startswith(IMPORTER):
        module, frame = frame.f_code.co_filename, frame.f_back
    # Sans module au-dessus de l'import, Python cherche encore son fichier.
    return frame is not None and (not module or module.startswith(INSTALLED))


def raise_in(thread: threading.Thread, error: type[BaseException] | None = Interruption) -> None:
    """Lève cette erreur dans un autre thread, dès qu'il exécute du Python ; sans erreur, annule celle qui attend."""
    target = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(error) if error else None)
