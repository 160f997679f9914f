"""Discord et Slack, sur cette machine : un vrai serveur HTTP qui reçoit leurs webhooks et garde les messages."""

import json
import math
import os
import re
import select
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from atelier.machine.env_file import setting
from atelier.props.scripted_server import Reply, Request, ScriptedServer, Silence, repeating_last

DISCORD, SLACK = "Discord", "Slack"
VARIABLES = {DISCORD: "DISCORD_WEBHOOK_URL", SLACK: "SLACK_WEBHOOK_URL"}
# Qui connaît l'adresse peut poster : elle est tout entière un secret, et finit par un jeton.
SECRET = "secret-token"
PATHS = {DISCORD: f"/api/webhooks/1092/discord-{SECRET}", SLACK: f"/services/T0/B0/slack-{SECRET}"}

OK = "accepte"
DROP = "raccroche"
SLOW = "se tait"
# Bien plus que tout délai raisonnable : au-delà, le client n'en a pas.
SLOW_SECONDS = 10.0


@dataclass(frozen=True)
class TooMany:
    """La réponse 429, « trop de requêtes » : combien de secondes attendre, ou rien si le serveur ne le dit pas."""

    retry_after: int | None

    def __str__(self) -> str:
        return "429, " + (
            "sans dire quand revenir" if self.retry_after is None else f"retour dans {self.retry_after} s"
        )


Answer = int | str | TooMany


@dataclass(frozen=True)
class Message:
    """Un message accepté, tel qu'il est arrivé ; `str` le rend comme on le lirait."""

    service: str
    payload: dict[str, Any]

    @property
    def woken(self) -> list[str]:
        """Les mentions qui feraient sonner des téléphones, selon les règles du service."""
        return _woken_by_discord(self.payload) if self.service == DISCORD else _woken_by_slack(self.payload)

    def __str__(self) -> str:
        if self.service == SLACK:
            # Slack ne connaît que ces trois-là : toute autre entité HTML se lirait telle quelle.
            text = "\n".join(_texts(self.payload))
            return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        lines = [self.payload.get("content")]
        for embed in self.payload.get("embeds") or []:
            lines += [embed.get(part) for part in ("title", "description", "url")]
            lines += [f"{field['name']} : {field['value']}" for field in embed.get("fields") or []]
        return "\n".join(filter(None, lines))


class ChatServer(ScriptedServer):
    """Répond à chaque webhook par la réponse suivante du scénario de son service, la dernière se répétant.

    Une réponse est un code HTTP d'erreur, un `TooMany` ou un de ces mots : `OK` (le message est accepté, s'il respecte
    les règles du service), `DROP` (la connexion se ferme sans réponse), `SLOW` (la réponse ne vient pas). S'emploie
    avec `with`. `messages` garde les messages acceptés, `refusals` la raison de chaque refus, `requests` le service de
    chaque requête reçue.
    """

    def __init__(self) -> None:
        super().__init__()
        self._unanswered: set[tuple[str, int]] = set()
        self.play()

    def play(self, discord: Iterable[Answer] = (OK,), slack: Iterable[Answer] = (OK,)) -> None:
        """Recommence avec d'autres scénarios, et oublie ce qui est arrivé."""
        self.messages: list[Message] = []
        self.refusals: list[str] = []
        self.requests: list[str] = []
        self.silences: list[float] = []
        self._answers = {DISCORD: repeating_last(discord), SLACK: repeating_last(slack)}

    def address(self, service: str) -> str:
        """L'adresse secrète où poster."""
        return f"{self.root}{PATHS[service]}"

    @contextmanager
    def expiring_timeouts(self) -> Iterator["ChatServer"]:
        """Personne n'attend une réponse qui ne vient pas : le délai du client expire aussitôt.

        `silences` garde ces délais, en secondes, tels que le socket les a reçus ; l'infini s'il n'y en a pas.
        """
        recv_into = socket.socket.recv_into

        def expiring_recv_into(client: socket.socket, *arguments: Any) -> int:
            while self.is_peer_of(client) and not select.select([client], [], [], 0.005)[0]:
                if client.getsockname() in self._unanswered:
                    timeout = client.gettimeout()
                    self.silences.append(math.inf if timeout is None else timeout)
                    raise TimeoutError("timed out")
            return recv_into(client, *arguments)

        with patch.object(socket.socket, "recv_into", expiring_recv_into):
            yield self

    def respond(self, request: Request) -> Reply | Silence:
        """La réponse du service à qui l'on écrit, ou 404 à une autre adresse."""
        address = urlsplit(request.path)
        service = next((name for name, known in PATHS.items() if known == address.path), None)
        if service is None:
            return Reply(404, "<h1>404</h1>")
        answer = self._received(service, request)
        if answer in (DROP, SLOW):
            return Silence(SLOW_SECONDS if answer == SLOW else 0)
        if isinstance(answer, TooMany):
            return _too_many(service, answer)
        if isinstance(answer, int):
            return Reply(answer, f"<h1>{answer}</h1>")
        if service == DISCORD:
            return Reply(200 if "wait=" in address.query else 204, '{"id": "1"}', "application/json")
        return Reply(200, "ok")

    def _received(self, service: str, request: Request) -> Answer:
        self.requests.append(service)
        answer = next(self._answers[service])
        if answer == SLOW:
            self._unanswered.add(request.client)
        if answer == OK:
            payload = _json_object(request.body)
            if objection := _objection(service, payload):
                self.refusals.append(objection)
                return 400
            self.messages.append(Message(service, payload))
        return answer


@contextmanager
def visible_messages() -> Iterator[None]:
    """Pour lancer un kata à la main : les messages vont aux adresses que donne votre environnement, ou `.env`.

    Sans adresse, un serveur local les reçoit, puis les affiche.
    """
    given = {variable: url for variable in VARIABLES.values() if (url := setting(variable))}
    with ChatServer() as chat:
        local = {variable: chat.address(service) for service, variable in VARIABLES.items()}
        with patch.dict(os.environ, local | given):
            yield
    for variable in given:
        print(f"{variable} est réglée : regardez ce qui est arrivé dans votre salon.")
    for message in chat.messages:
        print(f"\n{message.service} a reçu :\n" + "\n".join(f"  {line}" for line in str(message).splitlines()))
    if not chat.messages and not given:
        print("\nPersonne n'a rien reçu : aucun hook n'est branché, ou il a échoué (voir le journal).")


def _too_many(service: str, answer: TooMany) -> Reply:
    headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
    if service == SLACK:
        return Reply(429, "rate_limited", headers=headers)
    body = json.dumps({"message": "You are being rate limited.", "retry_after": answer.retry_after})
    # `Via` : le vrai Discord est derrière un mandataire, et discord-webhook s'y fie.
    return Reply(429, body, "application/json", {**headers, "Via": "1.1 discord"})


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def _objection(service: str, payload: dict[str, Any]) -> str:
    """Pourquoi le vrai service répondrait 400, message perdu ; rien s'il l'accepterait."""
    if not payload:
        return "ce n'est pas un objet JSON"
    if service == SLACK:
        return "" if payload.get("text") or payload.get("blocks") else "ni « text » ni « blocks »"
    content, embeds = payload.get("content") or "", payload.get("embeds") or []
    fields = [field for embed in embeds for field in embed.get("fields") or []]
    if not content and not embeds:
        return "ni « content » ni « embeds »"
    if len(content) > 2000:
        return "« content » dépasse 2000 caractères"
    if not all(0 < len(str(field["name"])) <= 256 and 0 < len(str(field["value"])) <= 1024 for field in fields):
        return "un champ vide, ou trop long"
    return ""


def _woken_by_discord(payload: dict[str, Any]) -> list[str]:
    # Dans un embed, une mention s'affiche mais ne prévient personne.
    kinds = {"everyone": r"@everyone|@here", "users": r"<@!?\d+>", "roles": r"<@&\d+>"}
    # Sans `parse`, le réglage ne dit pas ce qu'il advient des mentions : on suppose le pire.
    parsed = (payload.get("allowed_mentions") or {}).get("parse", kinds)
    content = payload.get("content") or ""
    return [mention for kind in parsed for mention in re.findall(kinds[kind], content)]


def _woken_by_slack(payload: dict[str, Any]) -> list[str]:
    names = payload.get("link_names") or payload.get("parse") == "full"
    pattern = r"<[!@][^>]+>" + (r"|@(?:everyone|channel|here)" if names else "")
    return [mention for text in _texts(payload) for mention in re.findall(pattern, text)]


def _texts(part: Any) -> Iterator[str]:
    """Les textes où Slack cherche des mentions : tous, sauf ceux de type `plain_text`."""
    if isinstance(part, list):
        for item in part:
            yield from _texts(item)
    elif isinstance(part, dict) and part.get("type") != "plain_text":
        if isinstance(part.get("text"), str):
            yield part["text"]
        for value in part.values():
            if not isinstance(value, str):
                yield from _texts(value)
