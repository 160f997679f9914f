"""Des ports réservés : deux tests, deux processus, deux suites sur la même machine ne reçoivent jamais le même."""

import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from atelier.machine.ports import is_taken

# Sous ceux que Linux, macOS et Windows donnent d'eux-mêmes : aucune connexion de passage ne tombe sur l'un d'eux.
_candidates = iter(range(20_000, 30_000))
# Un verrou par port, que le système rend quand ce processus finit, quoi qu'il lui arrive.
_reserved: list[FileLock] = []


def free_port() -> int:
    """Un port où personne n'écoute, et que nul autre test n'aura."""
    folder = Path(tempfile.gettempdir(), "atelier-ports")
    folder.mkdir(exist_ok=True)
    for port in _candidates:
        lock = FileLock(folder / str(port), timeout=0)
        try:
            lock.acquire()
        except (Timeout, PermissionError):  # une autre suite l'a, peut-être celle d'un autre utilisateur
            continue
        _reserved.append(lock)
        if not is_taken(port):
            return port
    raise AssertionError("tous les ports réservés aux tests sont pris")
