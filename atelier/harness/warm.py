"""Un processus préchauffé : les imports sont déjà faits, chaque `pytest katas/…` n'est plus qu'un `fork`.

Importer Prefect, pandas et scikit-learn prend trois à quatre secondes, à chaque lancement. Un processus détaché
les importe une fois ; `pytest` lui confie ses arguments, son environnement et ses trois flux, et rend son code de
retour. Le fichier de l'étudiant et l'atelier lui-même sont lus à neuf à chaque fois. Linux seulement : ailleurs,
et dès que quelque chose s'y oppose, pytest continue comme d'habitude.
"""

import contextlib
import gc
import hashlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from atelier.dagster import session as dagster_session
from atelier.dagster import settings as dagster_settings
from atelier.machine.paths import ROOT
from atelier.mlflow import settings as mlflow_settings
from atelier.mlflow import store as mlflow_store
from atelier.prefect import settings as prefect_settings

IDLE_SECONDS = 3600
LONGEST_REQUEST = 1 << 20
STOP = bytes(8)  # à la place de la longueur d'une demande
PRELOADED = (
    "pytest",
    "hypothesis.strategies",
    "requests",
    "pandas",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "prefect.client.orchestration",
    "prefect.deployments.runner",
    "prefect.flow_engine",
    "prefect.server.schemas.schedules",
    "prefect.task_engine",
    "prefect.events.worker",
    "prefect.artifacts",
    "prefect.utilities.visualization",
    "pydantic.v1",
    "anyio._backends._asyncio",
)
# Sur deux cœurs, les threads de BLAS se gênent ; et un seul thread, c'est un fork sans surprise.
SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def is_possible() -> bool:
    """Dit si ce processus peut confier son travail : sous Linux, sans débogueur, et pas déjà confié."""
    refused = os.environ.get("ATELIER_WARM") == "0" or "ATELIER_WARM_CHILD" in os.environ
    traced = sys.gettrace() is not None or "debugpy" in sys.modules or "coverage" in sys.modules
    return sys.platform == "linux" and not refused and not traced


def run_pytest(arguments: Sequence[str]) -> int | None:
    """Confie `pytest ARGUMENTS` au processus préchauffé ; rend son code de retour, ou rien s'il n'y en a pas.

    Au-delà de 128, le code est celui d'un signal : le processus de test a été tué.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    return hand_over(arguments, Path.cwd(), os.environ, sys.path, [0, 1, 2])


def hand_over(
    arguments: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    path: Sequence[str],
    descriptors: Sequence[int],
) -> int | None:
    """De même, pour un autre que soi : dans ce dossier, avec cet environnement, ces imports et ces trois flux."""
    request = {
        "arguments": list(arguments),
        "program": sys.argv[0],
        "directory": str(directory),
        "environment": dict(environment),
        "path": list(path),
    }
    content = json.dumps(request).encode()
    connection = _connect(_address())
    if connection is None or len(content) > LONGEST_REQUEST:
        return None
    with connection:
        try:
            socket.send_fds(connection, [len(content).to_bytes(len(STOP))], descriptors)
            connection.sendall(content)
        except OSError:
            return None
        return _wait_for_status(connection)


def start() -> None:
    """Lance le processus préchauffé s'il n'existe pas encore ; n'attend pas qu'il soit prêt."""
    if not is_possible() or is_listening():
        return
    stop()  # celui d'hier, que d'autres paquets ou un autre code ont périmé
    with contextlib.suppress(OSError):
        subprocess.Popen(
            [sys.executable, "-m", "atelier.harness.warm"],
            cwd=ROOT,
            env={**os.environ, **SINGLE_THREADED},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def stop() -> bool:
    """Arrête le processus préchauffé, de cette version ou d'une autre ; dit s'il y en avait un."""
    if sys.platform == "win32":
        return False
    folder, installation = _installation()
    connections = [connection for address in folder.glob(f"{installation}-*") if (connection := _connect(address))]
    for connection in connections:
        with connection, contextlib.suppress(OSError):
            connection.sendall(STOP)
            connection.recv(1)  # rendu quand le socket se ferme, donc quand le processus finit
    return bool(connections)


def serve() -> None:
    """Importe tout, puis sert des `fork` jusqu'à un arrêt demandé ou une heure sans travail."""
    from filelock import FileLock, Timeout

    address = _address()
    try:
        # Gardé jusqu'à la fin : un seul processus préchauffé par dépôt, même pendant qu'il chauffe.
        with FileLock(address.with_suffix(".lock"), timeout=0), socket.socket(socket.AF_UNIX) as listener:
            _preload()
            address.unlink(missing_ok=True)
            listener.bind(str(address))
            listener.listen(8)
            server = _Server(listener)
            try:
                server.run()
            finally:
                address.unlink(missing_ok=True)
    except Timeout:
        return


class _Server:
    """Un seul thread : il attend des demandes, des fins de pytest et des clients qui raccrochent."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._clients: dict[int, socket.socket] = {}
        self._last: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._wakeup, written = socket.socketpair()
        written.setblocking(False)
        self._written = written  # gardé ouvert : le système y écrit à chaque SIGCHLD
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        signal.set_wakeup_fd(written.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        """Sert les demandes l'une après l'autre ; plusieurs pytest peuvent tourner à la fois."""
        while True:
            events = self._selector.select(timeout=IDLE_SECONDS)
            if not events and not self._clients:
                return
            for key, _ in events:
                if key.fileobj is self._listener:
                    if not self._accept():
                        return
                elif key.fileobj is self._wakeup:
                    self._wakeup.recv(4096)
                else:
                    self._hear(key.data)
            self._reap()

    def _accept(self) -> bool:
        connection, _ = self._listener.accept()
        connection.settimeout(5)
        try:
            size, descriptors, _, _ = socket.recv_fds(connection, len(STOP), 3)
            if size == STOP:
                self._last = connection  # il se fermera avec le processus : qui demande l'arrêt l'attend
                return False
            request = json.loads(_receive(connection, int.from_bytes(size)))
        except (OSError, ValueError):
            connection.close()
            return True
        pid = os.fork()
        if not pid:
            self._become_pytest(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        connection.settimeout(None)
        self._clients[pid] = connection
        self._selector.register(connection, selectors.EVENT_READ, data=pid)
        return True

    def _become_pytest(self, request: dict, descriptors: list[int]) -> None:
        """Dans le processus fils : ne revient jamais."""
        status = 3
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._selector.close()
            for opened in (self._listener, self._wakeup, self._written, *self._clients.values()):
                opened.close()
            status = _run_in_child(request, descriptors)
        finally:
            os._exit(status)

    def _hear(self, pid: int) -> None:
        """Le client relaie un Ctrl-C par un octet ; s'il a disparu, son pytest n'a plus de raison d'être."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT if self._clients[pid].recv(1) else signal.SIGKILL)

    def _reap(self) -> None:
        for pid, connection in list(self._clients.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                with contextlib.suppress(OSError):
                    connection.sendall((code if code >= 0 else 128 - code).to_bytes(1))
                self._selector.unregister(connection)
                connection.close()
                del self._clients[pid]


def _run_in_child(request: dict, descriptors: list[int]) -> int:
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    # Un `fork` copie aussi l'état du hasard : sans cela, chaque pytest tirerait les mêmes noms de runs.
    import random

    random.seed()
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"], ATELIER_WARM_CHILD="1")
    sys.argv = [request["program"], *request["arguments"]]
    sys.path[:] = request["path"]
    sys.path_importer_cache.clear()
    # L'atelier a pu changer depuis le préchauffage.
    for name in [name for name in sys.modules if name.partition(".")[0] == "atelier"]:
        del sys.modules[name]
    gc.enable()
    import pytest

    status = int(pytest.main(request["arguments"]))
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _preload() -> None:
    for settings in (prefect_settings, mlflow_settings, dagster_settings):
        settings.prepare_environment()
    with contextlib.suppress(ImportError):
        mlflow_store.preload()
    gc.disable()
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            __import__(name)
    with contextlib.suppress(ImportError):
        dagster_session.preload()
    gc.collect()
    # Le ramasse-miettes ne touchera plus à ces objets : leurs pages restent partagées avec les fils.
    gc.freeze()
    if threading.active_count() != 1:
        raise SystemExit("un thread tourne déjà : un fork ne serait pas sûr")


def _connect(address: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(address))
    except OSError:
        connection.close()
        return None
    return connection


def is_listening() -> bool:
    """Dit si un processus préchauffé attend des demandes."""
    connection = _connect(_address())
    if connection:
        connection.close()
    return connection is not None


def _address() -> Path:
    """Le socket du processus préchauffé de cette installation, à ces versions des paquets et de ce module."""
    folder, installation = _installation()
    dated = (ROOT / "requirements.lock", Path(sys.prefix, ".installed"))
    version = [
        Path(__file__).read_text(encoding="utf-8"),
        *(path.stat().st_mtime_ns for path in dated if path.exists()),
    ]
    return folder / f"{installation}-{_digest(*version)}"


def _installation() -> tuple[Path, str]:
    """Un dossier que seul l'utilisateur peut ouvrir ; ce dépôt, cet environnement et son dossier d'état."""
    folder = Path(tempfile.gettempdir(), f"atelier-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        raise OSError(f"{folder} n'appartient pas qu'à vous")
    return folder, _digest(ROOT, sys.executable, os.environ.get("ATELIER_HOME", ""))


def _digest(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def _receive(connection: socket.socket, length: int) -> bytes:
    chunks = []
    while length and (chunk := connection.recv(min(length, 1 << 16))):
        chunks.append(chunk)
        length -= len(chunk)
    return b"".join(chunks)


def _wait_for_status(connection: socket.socket) -> int:
    while True:
        try:
            status = connection.recv(1)
            return status[0] if status else 3
        except KeyboardInterrupt:
            connection.sendall(b"c")


if __name__ == "__main__":
    serve()
