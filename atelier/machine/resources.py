"""Le disque, la mémoire, les `assert` : ce qui manque à cette machine, et comment le lui rendre.

Un programme à qui de la place manque meurt de cent façons, et rarement en le disant : on le demande donc au système.
"""

import errno
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from atelier.machine.errors import EnvironmentProblem, text_of
from atelier.machine.paths import shown

GIGABYTE = 1e9
# Un serveur neuf, une base et les fichiers d'un kata ; `make doctor`, lui, en demande plus.
DISK_NEEDED = 0.05 * GIGABYTE
# Ce que réservent MLflow, scikit-learn et leurs threads, bien plus que ce qu'ils occupent.
ADDRESSES_NEEDED = 3.5 * GIGABYTE
MEMORY_NEEDED = 0.4 * GIGABYTE
FREE_DISK = "libérez de la place (df -h dit où), puis relancez pytest"
FREE_MEMORY = "fermez des programmes, ou arrêtez les serveurs (make down) : les katas marchent sans"
NO_DISK = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
SQLITE_FULL = "database or disk is full"


def full_disk(*folders: Path) -> EnvironmentProblem | None:
    """Le disque plein, s'il y en a un parmi ceux où l'atelier écrit : le sien, et celui des fichiers temporaires."""
    try:
        places = [*folders, Path(tempfile.gettempdir())]
    except FileNotFoundError:  # Python n'a pu écrire dans aucun des dossiers où il range d'ordinaire
        return EnvironmentProblem("aucun dossier temporaire où écrire : le disque est-il plein ?", FREE_DISK)
    for place in places:
        free = shutil.disk_usage(place).free
        if free < DISK_NEEDED:
            return EnvironmentProblem(f"le disque de {shown(place)} est plein : {free / 1e6:.0f} Mo libres", FREE_DISK)
    return None


def short_memory() -> EnvironmentProblem | None:
    """La mémoire que le système refuse à ce processus, s'il lui en refuse."""
    try:
        import resource
    except ImportError:  # Windows n'a pas de telles limites
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or limit >= ADDRESSES_NEEDED:
        return None
    problem = f"la mémoire est limitée à {_decimal(limit)} Go par programme, il en faut {_decimal(ADDRESSES_NEEDED)}"
    return EnvironmentProblem(problem, "ulimit -v unlimited, dans un nouveau terminal si celui-ci le refuse")


def skipped_asserts() -> EnvironmentProblem | None:
    """Les `assert` que Python saute, si on le lui a demandé."""
    if not sys.flags.optimize:
        return None
    problem = "Python saute les `assert` (option -O, ou PYTHONOPTIMIZE) : du code faux passerait pour juste"
    return EnvironmentProblem(problem, "unset PYTHONOPTIMIZE, puis relancez sans -O")


def is_out_of_memory(error: BaseException) -> bool:
    """Dit si cette erreur est un refus de mémoire."""
    refused = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return refused or isinstance(error, MemoryError) or "can't start new thread" in text_of(error)


def explain_shortage(errors: Iterable[BaseException], own_files: Sequence[Path]) -> EnvironmentProblem | None:
    """Ce qui manquait à la machine quand ces erreurs sont survenues, s'il lui manquait quelque chose.

    Ceux de `own_files`, le kata et ses tests, peuvent demander trop de mémoire, ou feindre d'en manquer : la machine
    n'y est pour rien, s'il en reste aux autres.
    """
    for error in errors:
        if (isinstance(error, OSError) and error.errno in NO_DISK) or SQLITE_FULL in text_of(error):
            return EnvironmentProblem("le disque est plein : une écriture a été refusée", FREE_DISK)
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            return EnvironmentProblem("la taille des fichiers est limitée (ulimit -f)", "ulimit -f unlimited")
        if is_out_of_memory(error) and (not _asked_by(error, own_files) or _available() < MEMORY_NEEDED):
            return short_memory() or EnvironmentProblem("il n'y a plus assez de mémoire", FREE_MEMORY)
    return None


def _asked_by(error: BaseException, files: Sequence[Path]) -> bool:
    traceback = error.__traceback__
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_code.co_filename in map(str, files)


def _available() -> float:
    import psutil

    return psutil.virtual_memory().available


def _decimal(number: float) -> str:
    return f"{number / GIGABYTE:.1f}".replace(".", ",")
