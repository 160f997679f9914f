"""Les ports de cette machine : lequel est pris, par qui, lequel prendre à la place."""

import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

HOST = "127.0.0.1"
SHOWN = 60


def is_taken(port: int) -> bool:
    """Dit si un programme écoute déjà sur ce port, ou s'il est interdit d'y écouter."""
    # Connaître un refus ne suffit pas : sous macOS, on peut écouter à côté d'AirPlay, qui prend le navigateur.
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            return True
    with socket.socket() as probe:
        if sys.platform != "win32":  # là, l'option permettrait de prendre le port d'un autre
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _fails_to_bind(probe, port)


def free_port() -> int:
    """Un port libre, que le système choisit."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def free_port_after(port: int) -> int:
    """Le premier port libre qui suit."""
    return next(candidate for candidate in range(port + 1, 65536) if not is_taken(candidate))


def holder(port: int) -> str:
    """Le programme qui tient ce port, tel qu'on peut le nommer ; une chaîne vide si le système le cache."""
    import psutil

    for process in _listening_on(port):
        with suppress(psutil.Error):
            command = " ".join(process.cmdline()) or process.name()
            short = command if len(command) <= SHOWN else f"{command[:SHOWN]}…"
            return f"« {short} » (processus {process.pid})"
    return ""


def _listening_on(port: int) -> "Iterator[psutil.Process]":
    import psutil

    def listens(connection: object) -> bool:
        return connection.status == psutil.CONN_LISTEN and connection.laddr.port == port

    try:
        owners = [found.pid for found in psutil.net_connections("tcp") if listens(found)]
        yield from map(psutil.Process, filter(None, owners))
    except psutil.AccessDenied:  # macOS : seul l'administrateur voit tout, chacun voit les siens
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if any(map(listens, process.net_connections("tcp"))):
                    yield process


def _fails_to_bind(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind((HOST, port))
    except OSError:
        return True
    return False
