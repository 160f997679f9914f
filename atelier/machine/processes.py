"""Des processus détachés que l'atelier lance, retrouve et arrête, sans toucher à ceux des autres.

Chacun porte une marque, son dossier d'état et son nom : dans sa ligne de commande (`-X atelier=…`, une option que
Python laisse à qui veut) et dans son environnement, dont héritent ses enfants. On le retrouve donc sans fichier qui se
perde ou qui mente, quel que soit son numéro, et ses enfants même quand il n'est plus là.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from atelier.machine.paths import state_dir
from atelier.machine.until import until

if TYPE_CHECKING:
    import psutil

OPTION = "atelier"
VARIABLE = "ATELIER_PROCESS"
STOP_SECONDS = 6.0
KILL_SECONDS = 3.0
ALARMING = re.compile(r"error|exception|critical|fatal|refused|denied", re.IGNORECASE)
COLORS = re.compile(r"\x1b\[[\d;]*m")


@dataclass
class Family:
    """Un processus et ses descendants ; sans `head`, il est mort et les a laissés derrière lui."""

    head: "psutil.Process | None" = None
    members: "list[psutil.Process]" = field(default_factory=list)


def start(
    name: str, arguments: Sequence[str], environment: Mapping[str, str], directory: Path, fingerprint: str = ""
) -> "psutil.Process":
    """Lance Python, détaché, avec ces arguments ; son journal recommence. Lève `OSError` s'il ne se lance pas."""
    import psutil

    log = log_file(name)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    with log.open("wb") as output:
        pid = subprocess.Popen(
            [sys.executable, *marked(name, fingerprint), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=directory,
            env={**environment, VARIABLE: mark(name)},
            **_detached(),
        ).pid
    process = psutil.Process(pid)
    # Au tout début d'un programme, sa ligne de commande se lit vide : on ne l'y reconnaîtrait pas.
    while is_alive(process) and not known(name, pid):
        time.sleep(0.001)
    return process


def mark(name: str) -> str:
    """Ce qui distingue ce processus de tout autre, même d'un autre dépôt."""
    return str(state_dir() / name)


def marked(name: str, fingerprint: str) -> list[str]:
    """Les options de Python qui portent la marque, et de quoi voir plus tard si les réglages ont changé."""
    return ["-X", f"{OPTION}={mark(name)}", "-X", f"fingerprint={fingerprint}"]


def known(name: str, pid: int) -> "psutil.Process | None":
    """Le processus de ce numéro, s'il vit encore et porte notre marque : un numéro ressert."""
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if _own_mark(process) == mark(name) and is_alive(process):
            return process
    return None


def families(names: Iterable[str]) -> dict[str, Family]:
    """Ces processus et tous leurs descendants. Parcourt tous les processus de la machine."""
    import psutil

    marks = {mark(name): name for name in names}
    found = {name: Family() for name in marks.values()}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if (own := _own_mark(process)) in marks:
                family = found[marks[own]]
                # Sous Windows, le Python d'un environnement virtuel en lance un autre : le premier est le bon.
                family.head = family.head or process
                family.members += [process, *process.children(recursive=True)]
            elif (inherited := process.environ().get(VARIABLE)) in marks:
                found[marks[inherited]].members.append(process)
    for family in found.values():
        unique = {process.pid: process for process in family.members if process.pid != os.getpid()}
        family.members = [process for process in unique.values() if is_alive(process)]
        family.head = family.head if family.head in family.members else None
    return found


def has_fingerprint(process: "psutil.Process", fingerprint: str) -> bool:
    """Dit si ce processus a été lancé avec ces réglages."""
    import psutil

    with suppress(psutil.Error):
        return f"fingerprint={fingerprint}" in process.cmdline()
    return False


def is_alive(process: "psutil.Process") -> bool:
    """Dit si ce processus existe encore ; un mort que personne n'a réclamé ne compte pas."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def is_suspended(process: "psutil.Process") -> bool:
    """Dit si ce processus est figé (SIGSTOP, débogueur) : il vit, mais ne répondra pas."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_STOPPED
    return False


def members(names: Iterable[str]) -> "list[psutil.Process]":
    """Tous les processus de ces familles."""
    return [process for family in families(names).values() for process in family.members]


def stop(names: Iterable[str], seconds: float = STOP_SECONDS) -> bool:
    """Arrête ces processus et leurs descendants, en douceur puis de force ; dit s'il y avait quelqu'un."""
    names = list(names)
    found = members(names)
    for process in found:
        _ask_to_stop(process)
    _wait(found, seconds)
    # Un enfant né entre-temps, un parent qui n'écoute pas : sans discussion, cette fois.
    survivors = [process for process in {*found, *members(names)} if is_alive(process)] if found else []
    for process in survivors:
        _kill(process)
    _wait(survivors, KILL_SECONDS)
    return bool(found)


def log_file(name: str) -> Path:
    """Le journal de ce processus."""
    folder = state_dir() / "logs"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.log"


def last_log_line(name: str) -> str:
    """La ligne du journal qui dit le mieux ce qui ne va pas : la dernière erreur, sinon la dernière ligne."""
    try:
        text = log_file(name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "journal vide"
    lines = [line.strip() for line in COLORS.sub("", text).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if ALARMING.search(line)), lines[-1] if lines else "journal vide")


def _own_mark(process: "psutil.Process") -> str:
    options = (item for item in process.cmdline()[:8] if item.startswith(f"{OPTION}="))
    return next(options, "").removeprefix(f"{OPTION}=")


def _ask_to_stop(process: "psutil.Process") -> None:
    import psutil

    with suppress(psutil.Error):
        process.terminate()
        process.resume()  # suspendu, il n'entendrait rien


def _kill(process: "psutil.Process") -> None:
    import psutil

    with suppress(psutil.Error):
        process.kill()


def _wait(group: "Iterable[psutil.Process]", seconds: float) -> None:
    for _ in until(seconds):
        if not any(map(is_alive, group)):
            return


def _detached() -> dict[str, object]:
    """Ni un Ctrl-C ni la fin du terminal ne doivent emporter ces processus."""
    if sys.platform == "win32":
        # Sans console du tout, chaque Python enfant en ouvrirait une, visible.
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
