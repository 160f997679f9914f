"""Où l'atelier range ses fichiers : tout tient dans le dépôt, rien dans le dossier personnel."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Noté au départ : le code d'un étudiant peut changer de dossier, ou supprimer celui où il est.
STARTED_IN = Path.cwd()


def state_dir() -> Path:
    """Le dossier d'état (`.atelier/`, ou `ATELIER_HOME`) : serveurs, bases, journaux. Créé au besoin."""
    directory = Path(os.environ.get("ATELIER_HOME") or ROOT / ".atelier").resolve()
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def shown(path: Path | str) -> str:
    """Le chemin tel qu'on l'affiche : relatif au dossier où la commande a été lancée quand il s'y trouve."""
    path = Path(path)
    return str(path.relative_to(STARTED_IN)) if path.is_relative_to(STARTED_IN) else str(path)


def typed(path: Path) -> str:
    """Le chemin tel qu'on le tape dans une commande : relatif au dossier où l'on est, même s'il faut remonter."""
    return os.path.relpath(path, STARTED_IN) if STARTED_IN.is_relative_to(ROOT) else str(path)
