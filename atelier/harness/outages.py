"""Les serveurs dont les tests ont besoin, et ceux qui ne répondent plus : leur panne n'est pas celle de l'étudiant."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from atelier.machine.errors import EnvironmentProblem


@dataclass(frozen=True)
class WatchedServer:
    """Un serveur qui a répondu : `answers` dit s'il répond encore, `serves` si un test a besoin de lui."""

    title: str
    url: str
    answers: Callable[[], bool]
    serves: Callable[[pytest.Item], bool]


class Outages:
    """Les serveurs surveillés de cette session ; une panne constatée le reste, et les tests suivants la disent."""

    def __init__(self) -> None:
        self._problems: dict[WatchedServer, EnvironmentProblem | None] = {}

    def watch(self, server: WatchedServer) -> None:
        """Surveille ce serveur, s'il ne l'est pas déjà."""
        self._problems.setdefault(server, None)

    def known(self, item: pytest.Item) -> EnvironmentProblem | None:
        """La panne déjà constatée d'un serveur dont ce test a besoin."""
        return next((problem for server, problem in self._problems.items() if problem and server.serves(item)), None)

    def found(self, item: pytest.Item) -> EnvironmentProblem | None:
        """De même, après avoir interrogé ces serveurs : on le demande quand un test échoue, quoi qu'il ait vu."""
        for server, problem in self._problems.items():
            if problem is None and server.serves(item) and not server.answers():
                self._problems[server] = EnvironmentProblem(
                    f"le serveur {server.title} ne répond plus ({server.url})",
                    "make down && make up, puis relancez pytest",
                )
        return self.known(item)


OUTAGES = pytest.StashKey[Outages]()


def prepare(prepare_environment: Callable[[], None]) -> None:
    """Prépare un outil avant le premier test ; un réglage impossible arrête pytest d'une phrase, sans trace."""
    try:
        prepare_environment()
    except EnvironmentProblem as problem:
        raise pytest.UsageError(f"{problem}. Pour réparer : {problem.repair}.") from problem
