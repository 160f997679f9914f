"""Qui l'on est pour un serveur que d'autres partagent : cette installation sur cette machine, et ce processus.

Le nom d'une machine ne suffit pas : bien des conteneurs portent le même. Celui d'une installation non plus : son
dossier d'état se copie d'une machine à l'autre.
"""

import hashlib
import os
import platform
from uuid import uuid4

from atelier.machine.paths import state_dir

# L'heure d'un départ se déduit de celle de la machine, qui se corrige ; un numéro de processus, lui, ne ressert pas
# dans la minute.
TOLERANCE_SECONDS = 60.0


def home_id() -> str:
    """Cette installation sur cette machine, la même d'un redémarrage à l'autre."""
    file = state_dir() / "installation"
    if not file.exists():
        draft = file.with_name(f"installation.{os.getpid()}")
        draft.write_text(uuid4().hex, encoding="utf-8")
        draft.replace(file)
    return hashlib.sha256(f"{file.read_text(encoding='utf-8')} {platform.node()}".encode()).hexdigest()[:12]


def process_id() -> str:
    """Ce processus : son numéro, et l'heure de son départ, car un numéro ressert."""
    import psutil

    return f"{os.getpid()} {psutil.Process().create_time():.0f}"


def is_running(process: str) -> bool:
    """Dit si un processus de cette machine, nommé par `process_id`, tourne encore."""
    import psutil

    pid, started = process.split()
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(started)) < TOLERANCE_SECONDS
    except psutil.Error:  # mort, ou remplacé par celui d'un autre utilisateur
        return False
