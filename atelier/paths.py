"""Où l'atelier range ses fichiers : tout tient dans le dépôt, rien dans le dossier personnel."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def state_dir() -> Path:
    """Le dossier d'état (`.atelier/`, ou `ATELIER_HOME`) : serveurs, bases, journaux. Créé au besoin."""
    directory = Path(os.environ.get("ATELIER_HOME") or ROOT / ".atelier").resolve()
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def shown(path: Path | str) -> str:
    """Le chemin tel qu'on l'affiche : relatif au dossier courant quand il s'y trouve."""
    path = Path(path)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
