"""Une horloge simulée : les attentes sont notées et le temps avance aussitôt, personne n'attend.

Prefect s'exécute en vrai contre un vrai serveur ; seuls changent l'heure qu'il lit et la façon dont il
attend. L'horloge part de l'heure réelle et n'avance que vers l'avant, pour que le serveur l'accepte.
"""

import datetime
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from atelier.prefect.student_waits import noted_waits
from atelier.sandbox.mistakes import StudentMistake

real_sleep = time.sleep
# Quand SQLite est occupé, le client HTTP de Prefect attend deux secondes d'ordinaire. Ici : souvent, et peu de temps.
CLIENT_RETRY_SECONDS = 0.05
CLIENT_RETRIES = 60


@dataclass(frozen=True)
class Wait:
    """Une attente demandée, en secondes ; `by_prefect` distingue les retries de ce qu'attend le fichier lui-même."""

    seconds: float
    by_prefect: bool


class SimulatedClock:
    """L'heure que voit Prefect pendant un test, et la liste des attentes demandées."""

    def __init__(self) -> None:
        self.waits: list[Wait] = []
        self._ahead = 0.0
        self._lock = threading.Lock()

    @property
    def retry_waits(self) -> list[float]:
        """Les attentes de Prefect entre deux essais, en secondes, sans celles de durée nulle."""
        return [wait.seconds for wait in self.waits if wait.by_prefect and wait.seconds > 0]

    @property
    def student_waits(self) -> list[float]:
        """Les attentes écrites dans le fichier du kata, en secondes : `time.sleep`, `Event.wait`, une boucle vide…"""
        return [wait.seconds for wait in self.waits if not wait.by_prefect]

    def advance(self, seconds: float) -> None:
        """Fait passer du temps, sans le noter comme une attente."""
        with self._lock:
            self._ahead += seconds

    def sleep(self, seconds: float, *, by_prefect: bool) -> None:
        """Note une attente et fait avancer l'heure d'autant."""
        seconds = max(0.0, seconds)
        with self._lock:
            self.waits.append(Wait(seconds, by_prefect))
            self._ahead += seconds

    def student_sleep(self, seconds: float) -> None:
        """De même, pour une attente du fichier du kata."""
        self.sleep(seconds, by_prefect=False)

    def ahead(self) -> datetime.timedelta:
        """L'avance de l'horloge sur l'heure réelle."""
        return datetime.timedelta(seconds=self._ahead)


@contextmanager
def simulated_time(clock: SimulatedClock, is_student_code: Callable[[str], bool]) -> Iterator[SimulatedClock]:
    """Met Prefect, et les `sleep` du code d'étudiant ou qu'il fait faire, à l'heure de `clock`.

    `is_student_code` dit si un fichier source est celui d'un étudiant.
    """
    import prefect.client.base
    import prefect.states
    import prefect.task_engine
    import prefect.types._datetime
    import prefect.utilities.engine

    real_now = prefect.types._datetime.now
    start = real_now("UTC")

    def now(tz: Any = "UTC") -> datetime.datetime:
        # L'heure ne passe pas d'elle-même : le moteur retranche l'heure courante de l'heure prévue, et doit
        # retrouver exactement le délai écrit, même sur une machine chargée.
        moment = real_now(tz)
        since_start = datetime.timedelta(seconds=(moment - start).total_seconds())
        return moment - since_start + clock.ahead()

    def engine_sleep(seconds: float) -> None:
        clock.sleep(round(seconds, 3), by_prefect=True)

    async def engine_sleep_async(seconds: float) -> None:
        engine_sleep(seconds)

    with (
        patch.object(prefect.types._datetime, "now", now),
        patch.object(prefect.states, "now", now),
        patch.object(prefect.task_engine, "time", _Replaced(time, sleep=engine_sleep)),
        patch.object(prefect.task_engine, "anyio", _Replaced(prefect.task_engine.anyio, sleep=engine_sleep_async)),
        patch.object(prefect.utilities.engine, "time", _Replaced(time, sleep=_refuse_flow_wait)),
        patch.object(prefect.client.base, "time", _Replaced(time, sleep=_client_sleep)),
        noted_waits(clock.student_sleep, is_student_code),
    ):
        yield clock


class _Replaced:
    """Un module vu avec quelques noms remplacés, pour un seul de ses importateurs."""

    def __init__(self, module: Any, **names: Any) -> None:
        self.__dict__.update(names)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _client_sleep(seconds: float) -> None:
    real_sleep(min(seconds, CLIENT_RETRY_SECONDS))


def _refuse_flow_wait(seconds: float) -> None:
    # Le délai d'un flow est tenu par le serveur, à l'heure réelle : il ne peut pas être simulé.
    raise StudentMistake(
        expected="une task qui se relance seule, sans que le flow recommence",
        got=f"le flow entier attend {seconds:.0f} s pour recommencer",
    )
