"""Un vrai serveur HTTP, sur cette machine, qui répond ce qu'on lui dit de répondre, ou raccroche, ou se tait."""

import contextlib
import http.server
import itertools
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Request:
    """Une requête qui vient d'arriver ; `client` est l'adresse d'où elle vient."""

    method: str
    path: str
    body: bytes
    client: tuple[str, int]


@dataclass(frozen=True)
class Reply:
    """Une réponse complète."""

    status: int
    body: str = ""
    content_type: str = "text/html"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Silence:
    """Pas de réponse : la connexion se ferme au bout de ce temps ; aussitôt, si c'est zéro."""

    seconds: float = 0.0


class ScriptedServer(ABC):
    """Un serveur dont `respond` décide de chaque réponse. S'emploie avec `with`."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.script = self
        self._server.closing = threading.Event()

    @property
    def root(self) -> str:
        """Son adresse, sans chemin."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @abstractmethod
    def respond(self, request: Request) -> Reply | Silence:
        """La réponse à cette requête ; appelée dans un thread par requête."""

    def stop(self) -> None:
        """Cesse de répondre : toute connexion est refusée."""
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def is_peer_of(self, client: socket.socket) -> bool:
        """Dit si l'autre bout de cette connexion est ce serveur."""
        try:
            return client.getpeername() == self._server.server_address
        except OSError:
            return False

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def repeating_last(script: Iterable[Answer]) -> Iterator[Answer]:
    """Ce scénario, dont la dernière réponse se répète sans fin."""
    answers = list(script)
    return itertools.chain(answers, itertools.repeat(answers[-1]))


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    script: ScriptedServer
    closing: threading.Event


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: object) -> None:
        """Ne journalise rien : l'étudiant lit déjà les messages de ses tests."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = self.server.script.respond(Request(self.command, self.path, body, self.client_address))
        if isinstance(reply, Silence):
            self.server.closing.wait(reply.seconds)
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        content = b"" if reply.status == 204 else reply.body.encode()
        self.send_response(reply.status)
        headers = {"Content-Type": reply.content_type, "Content-Length": str(len(content)), **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
