"""Une requête HTTP, avec la seule bibliothèque standard : retrouver un serveur ne doit coûter que des millisecondes."""

import http.client
import json
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit


def fetch(url: str, timeout: float, body: object = None) -> bytes | None:
    """Le contenu à cette adresse, ou rien si personne n'y répond 200. Avec `body`, l'envoie en JSON."""
    try:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        content, headers = (None, {}) if body is None else (json.dumps(body), {"Content-Type": "application/json"})
        with closing(kind(parts.hostname or "", parts.port, timeout=timeout)) as connection:
            target = parts._replace(scheme="", netloc="", fragment="").geturl()
            connection.request("GET" if body is None else "POST", target, content, headers)
            response = connection.getresponse()
            return response.read() if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None


def fetch_json(url: str, timeout: float, body: object = None) -> Any:
    """De même, lu comme du JSON ; rien si ce n'en est pas."""
    try:
        return json.loads(fetch(url, timeout, body) or b"null")
    except ValueError:
        return None
