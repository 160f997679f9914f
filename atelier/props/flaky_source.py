"""Une source de données capricieuse : les clients en CSV, ou ce qu'un scénario veut à la place."""

from collections.abc import Iterable, Iterator
from functools import cache

from atelier import churn
from atelier.props.scripted_server import Reply, Request, ScriptedServer, Silence, repeating_last

OK = "ok"
DROP = "drop"
SLOW = "slow"
HTML = "html"
ONE_CLASS = "one class"
Answer = int | str
ROWS = 300
SLOW_SECONDS = 1.0


class FlakySource(ScriptedServer):
    """Répond à chaque requête par la réponse suivante du scénario, la dernière se répétant.

    Une réponse est un code d'erreur HTTP (`503`, `404`…) ou un de ces mots : `OK` (les clients en CSV), `DROP`
    (la connexion se ferme sans réponse), `SLOW` (la réponse tarde d'une seconde), `HTML` (une page au lieu du CSV,
    avec le code 200), `ONE_CLASS` (un CSV correct, mais sans aucun client parti). S'emploie avec `with` ; `requests`
    compte les requêtes reçues.
    """

    def __init__(self, script: Iterable[Answer] = (OK,)) -> None:
        super().__init__()
        self.play(script)
        self.url = f"{self.root}/customers.csv"

    def play(self, script: Iterable[Answer]) -> None:
        """Recommence avec un autre scénario."""
        self.requests = 0
        self._answers: Iterator[Answer] = repeating_last(script)

    def respond(self, request: Request) -> Reply | Silence:
        """La réponse suivante du scénario."""
        self.requests += 1
        answer = next(self._answers)
        if answer in (DROP, SLOW):
            return Silence(SLOW_SECONDS if answer == SLOW else 0)
        if isinstance(answer, int):
            return Reply(answer, f"<h1>{answer}</h1>")
        if answer == HTML:
            return Reply(200, "<html><body>Maintenance en cours</body></html>")
        return Reply(200, _csv(one_class=answer == ONE_CLASS), "text/csv")


@cache
def _csv(*, one_class: bool) -> str:
    header, *rows = churn.DATA.read_text(encoding="utf-8").splitlines()
    # La dernière colonne dit si le client est parti.
    kept = [row for row in rows if not one_class or row.endswith(",0")]
    return "\n".join([header, *kept[:ROWS]]) + "\n"
