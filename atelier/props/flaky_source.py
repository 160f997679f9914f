"""Une source de données capricieuse : un vrai serveur HTTP, sur cette machine, qui suit un scénario."""

import contextlib
import http.server
import itertools
import socket
import threading
from collections.abc import Iterable, Iterator
from functools import cache
from types import TracebackType

from atelier import churn

OK = "ok"
DROP = "drop"
SLOW = "slow"
HTML = "html"
ONE_CLASS = "one class"
Answer = int | str
ROWS = 300
SLOW_SECONDS = 1.0


class FlakySource:
    """Répond à chaque requête par la réponse suivante du scénario, la dernière se répétant.

    Une réponse est un code d'erreur HTTP (`503`, `404`…) ou un de ces mots : `OK` (les clients en CSV), `DROP`
    (la connexion se ferme sans réponse), `SLOW` (la réponse tarde d'une seconde), `HTML` (une page au lieu du CSV,
    avec le code 200), `ONE_CLASS` (un CSV correct, mais sans aucun client parti). S'emploie avec `with` ; `requests`
    compte les requêtes reçues.
    """

    def __init__(self, script: Iterable[Answer] = (OK,)) -> None:
        self.requests = 0
        self.play(script)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.source = self
        self._server.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self._server.server_port}/customers.csv"

    def play(self, script: Iterable[Answer]) -> None:
        """Recommence avec un autre scénario."""
        answers = list(script)
        self.requests = 0
        self._answers: Iterator[Answer] = itertools.chain(answers, itertools.repeat(answers[-1]))

    def next_answer(self) -> Answer:
        """La réponse à la requête qui vient d'arriver."""
        self.requests += 1
        return next(self._answers)

    def __enter__(self) -> "FlakySource":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    source: FlakySource
    closing: threading.Event


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        answer = self.server.source.next_answer()
        if answer == DROP:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif answer == SLOW:
            self.server.closing.wait(SLOW_SECONDS)
            self.close_connection = True
        elif isinstance(answer, int):
            self._reply(answer, f"<h1>{answer}</h1>", "text/html")
        elif answer == HTML:
            self._reply(200, "<html><body>Maintenance en cours</body></html>", "text/html")
        else:
            self._reply(200, _csv(one_class=answer == ONE_CLASS), "text/csv")

    def log_message(self, format: str, *arguments: object) -> None:
        """Ne journalise rien : l'étudiant lit déjà les messages de ses tests."""

    def _reply(self, status: int, body: str, content_type: str) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@cache
def _csv(*, one_class: bool) -> str:
    header, *rows = churn.DATA.read_text(encoding="utf-8").splitlines()
    # La dernière colonne dit si le client est parti.
    kept = [row for row in rows if not one_class or row.endswith(",0")]
    return "\n".join([header, *kept[:ROWS]]) + "\n"
