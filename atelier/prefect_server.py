"""Le serveur Prefect des katas : celui qui répond déjà, sinon un serveur privé, gardé d'une fois sur l'autre.

Ce module n'importe pas Prefect : retrouver le serveur ne doit coûter que quelques millisecondes.
"""

import hashlib
import http.client
import importlib.metadata
import json
import os
import platform
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from atelier.errors import REINSTALL, EnvironmentProblem
from atelier.paths import shown, state_dir

if TYPE_CHECKING:
    import psutil

DEFAULT_URL = "http://127.0.0.1:4200/api"
START_SECONDS = 90
STOP_SECONDS = 10
# Sur deux cœurs occupés, un serveur sain met parfois plusieurs secondes à répondre.
PATIENCE_SECONDS = 10.0
# Un démarrage par `uvicorn` : un seul processus, donc un seul numéro à retrouver et à arrêter.
COMMAND = ("-m", "uvicorn", "--factory", "prefect.server.api.server:create_app", "--log-level", "warning")
SETTINGS = {
    "DO_NOT_TRACK": "true",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",  # aucun kata n'en a besoin, une seconde de moins
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_UI_API_URL": "/api",  # sans quoi la page appelle 127.0.0.1:4200, même dans un codespace
}


@dataclass(frozen=True)
class Server:
    """Un serveur Prefect qui répond ; `url` est celle de l'API, `private` dit si l'atelier l'a lancé."""

    url: str
    private: bool


@dataclass(frozen=True)
class _Record:
    """Ce qui permet de retrouver le serveur privé sans le confondre avec un autre processus."""

    pid: int
    started: float
    url: str
    fingerprint: str
    ready: bool = False  # a déjà répondu : s'il ne répond plus, il est malade, pas en retard


def running_server() -> Server | None:
    """Le serveur déjà en marche : celui de `PREFECT_API_URL`, du port 4200, ou le serveur privé."""
    for url in public_urls():
        if is_ready(url) and _same_version(url):
            return Server(url, private=False)
    record = _read_record()
    if record and _is_usable(record):
        return Server(record.url, private=True)
    return None


def launch_server() -> Server:
    """Rend un serveur en marche ou en train de démarrer : voir `wait_until_ready`.

    Un serveur privé malade, ou d'une autre version, est remplacé ; deux appels simultanés n'en lancent
    qu'un. Lève `EnvironmentProblem` si le processus ne peut pas être lancé.
    """
    useless = _read_record()
    if server := running_server():
        return server
    import psutil  # noqa: F401 - s'il manque, autant le savoir avant de lancer quoi que ce soit
    from filelock import FileLock, Timeout

    try:
        with FileLock(state_dir() / "prefect-server.lock", timeout=START_SECONDS):
            return _launch(useless)
    except Timeout as error:
        problem = "un autre démarrage du serveur Prefect ne finit pas"
        raise EnvironmentProblem(problem, "make down && make up") from error


def wait_until_ready(server: Server, seconds: float = START_SECONDS) -> None:
    """Attend que le serveur réponde. Lève `EnvironmentProblem` s'il s'arrête ou tarde trop."""
    deadline = time.monotonic() + seconds
    while not is_ready(server.url):
        record = _read_record()
        if server.private and (record is None or not _is_alive(record)):
            raise EnvironmentProblem(f"le serveur Prefect s'est arrêté : {_last_log_line()}", "make down && make up")
        if time.monotonic() > deadline:
            raise EnvironmentProblem(
                f"le serveur Prefect ne répond pas ({server.url}), journal : {shown(_log())}",
                "make down && make up",
            )
        time.sleep(0.05)
    record = _read_record()
    if record and record.url == server.url and not record.ready:
        _write_record(replace(record, ready=True))


def ensure_server() -> Server:
    """Rend un serveur Prefect prêt à répondre, lancé s'il le faut."""
    server = launch_server()
    wait_until_ready(server)
    return server


def stop_server() -> bool:
    """Arrête le serveur privé s'il tourne ; dit s'il y avait quelque chose à arrêter."""
    record = _read_record()
    stopped = record is not None and _terminate(record)
    _record_file().unlink(missing_ok=True)
    return stopped


def ui_url(api_url: str) -> str:
    """L'adresse de l'interface, telle que le navigateur de l'étudiant l'atteint (codespace compris)."""
    base = api_url.removesuffix("/api")
    codespace, domain = (
        os.environ.get("CODESPACE_NAME"),
        os.environ.get("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN"),
    )
    if codespace and domain:
        return f"https://{codespace}-{urlsplit(base).port}.{domain}"
    return base


def is_ready(api_url: str, timeout: float = 2.0) -> bool:
    """Dit si un serveur Prefect et sa base de données répondent à cette adresse."""
    return _get(api_url, "/ready", timeout) is not None


def still_answers(server: Server) -> bool:
    """Dit si ce serveur, qui a répondu, répond encore ; il a le droit d'être lent."""
    record = _read_record()
    if server.private and record and (not _is_alive(record) or _is_suspended(record)):
        return False
    return is_ready(server.url, PATIENCE_SECONDS)


def fingerprint() -> str:
    """Résume ce dont dépend un serveur privé : une base ne rencontre jamais un schéma d'une autre version."""
    versions = [_installed(name) for name in ("prefect", "fastapi", "sqlalchemy", "pydantic")]
    parts = [platform.python_version(), *versions, json.dumps(SETTINGS, sort_keys=True)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _launch(useless: _Record | None) -> Server:
    """Sous verrou : lance un serveur, sauf si un autre vient de remplacer celui qui ne servait pas."""
    record = _read_record()
    if record and _is_starting(record):
        return Server(record.url, private=True)
    if record != useless and (server := running_server()):
        return server
    stop_server()
    return Server(_start().url, private=True)


def public_urls() -> list[str]:
    """Où peut répondre un serveur qui n'est pas à nous, par ordre de préférence."""
    urls = dict.fromkeys([os.environ.get("PREFECT_API_URL", "").rstrip("/"), DEFAULT_URL])
    # Prefect Cloud garde les runs d'un compte personnel : un kata n'y écrit jamais.
    return [url for url in urls if url and "prefect.cloud" not in url]


def _same_version(api_url: str) -> bool:
    try:
        theirs = json.loads(_get(api_url, "/admin/version", timeout=2.0) or b'""')
    except ValueError:
        return False  # un autre programme répond à cette adresse
    return str(theirs).split(".")[:2] == _installed("prefect").split(".")[:2]


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise EnvironmentProblem(f"le paquet « {package} » n'est pas installé", REINSTALL) from error


def _get(api_url: str, path: str, timeout: float) -> bytes | None:
    try:
        parts = urlsplit(api_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        with closing(kind(parts.hostname or "", parts.port, timeout=timeout)) as connection:
            connection.request("GET", parts.path + path)
            response = connection.getresponse()
            return response.read() if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None


def _start() -> _Record:
    port = _free_port()
    home = state_dir() / "prefect" / fingerprint()
    home.mkdir(parents=True, exist_ok=True)
    environment = _clean_environment() | SETTINGS
    environment |= {"PREFECT_HOME": str(home), "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui")}
    arguments = [sys.executable, *COMMAND, "--host", "127.0.0.1", "--port", str(port)]
    with _log().open("wb") as log:
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=home,
                env=environment,
                **_detached(),
            )
        except OSError as error:
            raise EnvironmentProblem(f"le serveur Prefect ne se lance pas : {error}", "make up") from error
    record = _Record(process.pid, time.time(), f"http://127.0.0.1:{port}/api", fingerprint())
    _write_record(record)
    return record


def _clean_environment() -> dict[str, str]:
    """L'environnement sans les réglages Prefect de l'utilisateur : base, compte et profil restent les siens."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


def _detached() -> dict[str, object]:
    """Détache le serveur : ni un Ctrl-C ni la fin de pytest ne doivent l'emporter."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _is_usable(record: _Record) -> bool:
    if record.fingerprint != fingerprint() or not _is_alive(record) or _is_suspended(record):
        return False
    return is_ready(record.url, PATIENCE_SECONDS)


def _is_suspended(record: _Record) -> bool:
    process = _process(record)
    return process is not None and process.status() == "stopped"


def _is_starting(record: _Record) -> bool:
    young = time.time() - record.started < START_SECONDS
    return young and not record.ready and record.fingerprint == fingerprint() and _is_alive(record)


def _is_alive(record: _Record) -> bool:
    return _process(record) is not None


def _process(record: _Record) -> "psutil.Process | None":
    """Le processus du serveur, reconnu à son port : son numéro a pu resservir, et son heure de départ dérive."""
    import psutil

    try:
        process = psutil.Process(record.pid)
        is_ours = str(urlsplit(record.url).port) in process.cmdline()
        return process if is_ours and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def _terminate(record: _Record) -> bool:
    import psutil

    process = _process(record)
    if process is None:
        return False
    try:
        process.terminate()
        process.resume()  # suspendu, il n'entendrait rien
        process.wait(STOP_SECONDS)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    return True


def _record_file() -> Path:
    return state_dir() / "prefect-server.json"


def _read_record() -> _Record | None:
    try:
        return _Record(**json.loads(_record_file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write_record(record: _Record) -> None:
    _record_file().write_text(json.dumps(asdict(record)), encoding="utf-8")


def _log() -> Path:
    return state_dir() / "prefect-server.log"


def _last_log_line() -> str:
    lines = _log().read_text(encoding="utf-8", errors="replace").split("\n") if _log().exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "journal vide")
