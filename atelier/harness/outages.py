"""Les serveurs dont les tests ont besoin, et ceux qui ne répondent plus : leur panne n'est pas celle de l'étudiant.

Ni celle du disque, qui les empêche de répondre.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from atelier.machine.errors import EnvironmentProblem
from atelier.machine.paths import state_dir
from atelier.machine.resources import full_disk


@dataclass(frozen=True)
class WatchedServer:
    """Un serveur qui a répondu.

    `answers` dit s'il répond encore, `serves` si un test a besoin de lui, `repair` que faire quand il ne répond plus.
    """

    title: str
    url: str
    answers: Callable[[], bool]
    serves: Callable[[pytest.Item], bool]
    repair: Callable[[], str]


class Outages:
    """Les serveurs surveillés de cette session ; une panne constatée le reste, et les tests suivants la disent."""

    def __init__(self) -> None:
        self._problems: dict[WatchedServer, EnvironmentProblem | None] = {}

    def watch(self, server: WatchedServer) -> None:
        """Surveille ce serveur, jusqu'à la fin de la session."""
        self._problems[server] = None

    def known(self, item: pytest.Item) -> EnvironmentProblem | None:
        """La panne déjà constatée d'un serveur dont ce test a besoin."""
        return next((problem for server, problem in self._problems.items() if problem and server.serves(item)), None)

    def found(self, item: pytest.Item) -> EnvironmentProblem | None:
        """La même, après avoir interrogé ceux que l'on croit sains : pour un test qui échoue, quoi qu'il en dise."""
        if full := full_disk(state_dir()):
            return full
        for server, problem in self._problems.items():
            if problem is None and server.serves(item) and not server.answers():
                problem = f"le serveur {server.title} ne répond plus ({server.url})"
                self._problems[server] = EnvironmentProblem(problem, f"{server.repair()}, puis relancez pytest")
        return self.known(item)


OUTAGES = pytest.StashKey[Outages]()
