"""Le serveur Prefect des katas : celui qui répond déjà, sinon un serveur privé, gardé d'une fois sur l'autre.

Ce module n'importe pas Prefect : retrouver le serveur ne doit coûter que quelques millisecondes.
"""

import hashlib
import json
import os
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from atelier.machine import ports, processes
from atelier.machine.errors import EnvironmentProblem
from atelier.machine.packages import installed_version
from atelier.machine.paths import ROOT, shown, state_dir
from atelier.machine.privacy import without_settings
from atelier.machine.until import until
from atelier.machine.web import fetch, fetch_json
from atelier.prefect import settings
from atelier.prefect.settings import PREFECT

if TYPE_CHECKING:
    import psutil

NAME = "prefect-server"
START_SECONDS = 90
# Sur deux cœurs occupés, un serveur sain met parfois plusieurs secondes à répondre.
PATIENCE_SECONDS = 10.0
# Un démarrage par `uvicorn` : un seul processus, donc un seul numéro à retrouver et à arrêter.
UVICORN = ("-m", "uvicorn", "--app-dir", str(ROOT), "--log-level", "warning")
COMMAND = (*UVICORN, "--factory", "atelier.prefect.app:create_app")


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
    """Le serveur déjà en marche : celui de `PREFECT_API_URL`, celui de `make up`, ou le serveur privé."""
    for url in public_urls():
        if is_ready(url) and is_same_version(url):
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
    for _ in until(seconds):
        if is_ready(server.url):
            break
        record = _read_record()
        if server.private and (record is None or _process(record) is None):
            raise EnvironmentProblem(
                f"le serveur Prefect s'est arrêté : {processes.last_log_line(NAME)}", "make down && make up"
            )
    else:
        raise EnvironmentProblem(
            f"le serveur Prefect ne répond pas ({server.url}), journal : {shown(processes.log_file(NAME))}",
            "make down && make up",
        )
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
    stopped = processes.stop([NAME])
    forget()
    return stopped


def forget() -> None:
    """Oublie le serveur privé, une fois qu'il est arrêté."""
    _record_file().unlink(missing_ok=True)


def is_ready(api_url: str, timeout: float = 2.0) -> bool:
    """Dit si un serveur Prefect et sa base de données répondent à cette adresse."""
    return fetch(f"{api_url}/ready", timeout) is not None


def still_answers(server: Server) -> bool:
    """Dit si ce serveur, qui a répondu, répond encore ; il a le droit d'être lent."""
    record = _read_record()
    if server.private and record and not _is_awake(record):
        return False
    return is_ready(server.url, PATIENCE_SECONDS)


def fingerprint() -> str:
    """Résume ce dont dépend un serveur privé : une base ne rencontre jamais un schéma d'une autre version."""
    versions = [installed_version(name) for name in ("prefect", "fastapi", "sqlalchemy", "pydantic")]
    parts = [platform.python_version(), *versions, json.dumps(settings.SERVER, sort_keys=True)]
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
    return list(dict.fromkeys([PREFECT.url, PREFECT.local]))


def is_same_version(api_url: str) -> bool:
    """Dit si ce serveur parle comme le Prefect installé ici ; un autre programme peut répondre à cette adresse."""
    theirs = fetch_json(f"{api_url}/admin/version", timeout=2.0)
    return str(theirs).split(".")[:2] == installed_version("prefect").split(".")[:2]


def _start() -> _Record:
    port = ports.free_port()
    home = settings.home(fingerprint())
    home.mkdir(parents=True, exist_ok=True)
    # Sans les réglages Prefect de l'utilisateur : sa base, son compte et son profil restent les siens.
    environment = without_settings(os.environ, *settings.PERSONAL) | settings.SERVER
    environment |= {"PREFECT_HOME": str(home), "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui")}
    arguments = [*COMMAND, "--host", "127.0.0.1", "--port", str(port)]
    try:
        process = processes.start(NAME, arguments, environment, home)
    except OSError as error:
        raise EnvironmentProblem(f"le serveur Prefect ne se lance pas : {error}", "make up") from error
    record = _Record(process.pid, time.time(), f"http://127.0.0.1:{port}/api", fingerprint())
    _write_record(record)
    return record


def _is_usable(record: _Record) -> bool:
    same = record.fingerprint == fingerprint()
    return same and _is_awake(record) and is_ready(record.url, PATIENCE_SECONDS)


def _is_awake(record: _Record) -> bool:
    process = _process(record)
    return process is not None and not processes.is_suspended(process)


def _is_starting(record: _Record) -> bool:
    young = time.time() - record.started < START_SECONDS
    return young and not record.ready and record.fingerprint == fingerprint() and _process(record) is not None


def _process(record: _Record) -> "psutil.Process | None":
    return processes.known(NAME, record.pid)


def _record_file() -> Path:
    return state_dir() / "prefect-server.json"


def _read_record() -> _Record | None:
    try:
        return _Record(**json.loads(_record_file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write_record(record: _Record) -> None:
    _record_file().write_text(json.dumps(asdict(record)), encoding="utf-8")
