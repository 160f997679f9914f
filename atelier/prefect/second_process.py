"""Un second processus pour les katas : un autre Python, qui ne partage avec le premier que le disque.

Importer Prefect lui coûterait deux secondes. Il naît donc tôt, d'un `fork` qui suit les imports et précède le premier
thread, puis il attend son travail. Là où un `fork` n'est pas sûr, il naît par `spawn` : plus tard, mais pareil.
"""

import builtins
import contextlib
import multiprocessing
import os
import pickle
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from atelier.exercise.kata import KataSource
from atelier.machine.errors import EnvironmentProblem
from atelier.prefect.server import Server
from atelier.prefect.session import connected
from atelier.sandbox.guard import Guard
from atelier.sandbox.loader import loaded_module
from atelier.sandbox.mistakes import StudentMistake

if TYPE_CHECKING:
    from atelier.prefect.probe import RunRecord

START_SECONDS = 60.0
RUN_SECONDS = 8.0
# Le temps, pour le second processus, d'interrompre lui-même une boucle et de dire où elle est.
GRACE_SECONDS = 2.0
STOP_SECONDS = 1.0
READY = "ready"


@dataclass(frozen=True)
class Job:
    """Un appel à faire : le flow ou la task de ce nom, dans ce fichier, sur ce serveur et ces résultats."""

    source: KataSource
    name: str
    server: Server
    storage: Path
    seconds_ahead: float
    arguments: tuple[Any, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)


class SecondProcess:
    """Le processus et le fil qui nous y relie. À fermer par `close`."""

    def __init__(self) -> None:
        self._start("fork" if _may_fork() else "spawn")

    def wait_until_ready(self) -> None:
        """Attend que les imports soient finis ; relance le processus s'il est mort. Lève `EnvironmentProblem`."""
        if not self._process.is_alive():
            self._start("spawn")
        if self._is_ready:
            return
        if self._receive(START_SECONDS) != READY:
            self._kill()
            raise EnvironmentProblem("un second processus Python ne démarre pas", "relancez pytest")
        self._is_ready = True

    def run(self, job: Job) -> "RunRecord":
        """Charge le fichier à neuf, exécute, et rend ce que `run` aurait rendu ici.

        Lève `StudentMistake` si l'appel n'aboutit pas : un échec de la task, lui, est un résultat.
        """
        answer = self._ask(job)
        if answer is None:
            raise StudentMistake(
                expected="du code qui se termine, dans un autre processus aussi",
                got="cet autre processus ne répond pas",
                path=job.source.path,
            )
        if isinstance(answer, StudentMistake):
            raise answer
        return answer

    def close(self) -> None:
        """Arrête le processus, sans laisser de zombie."""
        with contextlib.suppress(OSError):
            self._connection.send(None)
        self._process.join(STOP_SECONDS)
        self._kill()

    def _start(self, method: str) -> None:
        context = multiprocessing.get_context(method)
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name="atelier-second-process", daemon=True)
        with warnings.catch_warnings():
            # Python 3.12 met en garde contre le thread de pytest-timeout : `_may_fork` l'a admis.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()
        self._is_ready = False

    def _ask(self, job: Job) -> Any:
        answer = None
        try:
            with contextlib.suppress(OSError):
                self._connection.send(job)
            answer = self._receive(RUN_SECONDS + GRACE_SECONDS)
        finally:
            if answer is None:
                self._kill()  # il répondrait plus tard, à la question suivante
        return answer

    def _receive(self, seconds: float) -> Any:
        try:
            return self._connection.recv() if self._connection.poll(seconds) else None
        except (EOFError, OSError):
            return None

    def _kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()


def _may_fork() -> bool:
    """Dit si un `fork` est sûr : sous Linux, sans autre thread que l'alarme de pytest-timeout, qui ne fait rien."""
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    return sys.platform == "linux" and all(isinstance(thread, threading.Timer) for thread in others)


def _serve(connection: Connection) -> None:
    """Dans le second processus : fait ce qu'on lui demande, jusqu'à l'arrêt ou à la mort du premier."""
    try:
        _go_quiet()
        # Un `fork` copie aussi l'état du hasard : les deux processus tireraient les mêmes noms de runs.
        random.seed()
        import prefect.flow_engine
        import prefect.task_engine  # noqa: F401

        connection.send(READY)
        parent = multiprocessing.parent_process()
        while parent and connection in wait([connection, parent.sentinel]):
            job = connection.recv()
            if job is None:
                break
            connection.send(_answer(job))
    finally:
        # Ni threads à attendre, ni fixtures à démonter : celles de pytest ne sont pas à nous.
        os._exit(0)


def _go_quiet() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - ouvert jusqu'à la fin du processus


def _answer(job: Job) -> "RunRecord | StudentMistake":
    guard = Guard({str(job.source.path)}.__contains__, lambda mistake: None, RUN_SECONDS)
    try:
        with guard.no_exit(), guard.watching():
            return _portable(_run(job))
    except StudentMistake as mistake:
        return mistake
    except (Exception, SystemExit) as error:
        got = f"{type(error).__name__} : {str(error)[:200]}"
        return StudentMistake("le même code, qui s'exécute aussi dans un autre processus", got, job.source.path)


def _run(job: Job) -> "RunRecord":
    from prefect.context import SyncClientContext

    from atelier.prefect.clock import SimulatedClock, simulated_time
    from atelier.prefect.probe import Probe

    clock = SimulatedClock()
    clock.advance(job.seconds_ahead)
    is_student_code = {str(job.source.path)}.__contains__
    with (
        connected(job.server, job.storage),
        simulated_time(clock, is_student_code),
        _other_hashes(is_student_code),
        loaded_module(job.source) as kata,
        SyncClientContext.get_or_create() as context,
        Probe(context.client).listening() as probe,
    ):
        return probe.run(getattr(kata, job.name), *job.arguments, **job.parameters)


@contextmanager
def _other_hashes(is_student_code: Callable[[str], bool]) -> Iterator[None]:
    """Change le `hash` d'un texte pour le code d'étudiant : un vrai nouveau Python le ferait, un `fork` non."""
    salt = os.urandom(8).hex()
    real_hash = hash

    def other_hash(value: object) -> int:
        student = is_student_code(sys._getframe(1).f_code.co_filename)
        return real_hash((salt, value)) if student and _has_random_hash(value) else real_hash(value)

    with patch.object(builtins, "hash", other_hash):
        yield


def _has_random_hash(value: object) -> bool:
    if isinstance(value, tuple | frozenset):
        return any(map(_has_random_hash, value))
    return isinstance(value, str | bytes)


def _portable(record: "RunRecord") -> "RunRecord":
    """Vérifie que le compte rendu voyage : une exception peut se laisser écrire et pas relire."""
    pickle.loads(pickle.dumps(record))
    return record
