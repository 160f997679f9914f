"""L'application du serveur Prefect, pour une base SQLite que plusieurs requêtes écrivent à la fois.

Une transaction qui lit, puis écrit, est refusée par SQLite si une autre a écrit entre-temps ; le client attend alors
plus d'une seconde avant de redemander : deux flow runs sur trois, même d'un seul étudiant. Ici, une transaction prend
son tour dès qu'elle commence, et n'est plus refusée.

Le ramasse-miettes, lui, ne passe pas dans la boucle d'événements. Une requête que SQLite refuse laisse une exception,
et l'exception un curseur, que seul le ramasse-miettes libère. Or il lui faut pour cela la connexion, et elle sert
peut-être déjà à une autre requête, qui attend jusqu'à une minute le verrou d'écriture. Tant que la boucle d'événements
y reste prise, celui qui tient ce verrou ne peut pas le rendre : plus rien ne répond. Dans un thread à part, le
ramasse-miettes n'arrête que lui-même.
"""

import gc
import itertools
import threading
import time
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

COLLECT_SECONDS = 2.0
# Une sur trente parcourt tout, et tient l'interpréteur un dixième de seconde ; les autres, ce qui vient de naître.
COLLECTIONS = 30


def create_app() -> "FastAPI":
    """L'application de Prefect, telle quelle, à ces deux réglages près."""
    from prefect.server.api.server import create_app

    _take_turns()
    app = create_app()
    gc.disable()
    gc.freeze()  # les modules chargés restent jusqu'à la fin : inutile de les parcourir à chaque fois
    threading.Thread(target=_collect_garbage, daemon=True).start()
    return app


def _take_turns() -> None:
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_immediate(
        self: AioSqliteConfiguration, session: Any, with_for_update: bool = False
    ) -> AbstractAsyncContextManager[Any]:
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_immediate


def _collect_garbage() -> None:
    for number in itertools.count(1):
        time.sleep(COLLECT_SECONDS)
        gc.collect(2 if number % COLLECTIONS == 0 else 1)
