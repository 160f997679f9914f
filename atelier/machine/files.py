"""Écrire un fichier sans jamais perdre celui qui y était."""

import os
from datetime import datetime
from pathlib import Path


def back_up(file: Path) -> Path:
    """Copie ce fichier à côté de lui, sous un nom daté que personne n'a pris ; rend la copie."""
    stamp, attempt = _timestamp(), 1
    copy = file.with_name(f"{file.name}.{stamp}.bak")
    while not _write_new(copy, file.read_bytes()):
        attempt += 1
        copy = file.with_name(f"{file.name}.{stamp}-{attempt}.bak")
    return copy


def _write_new(file: Path, content: bytes) -> bool:
    try:
        stream = file.open("xb")
    except FileExistsError:
        return False
    with stream:
        stream.write(content)
    return True


def _timestamp() -> str:
    return f"{datetime.now():%Y-%m-%d_%H%M%S}"


def write_atomically(file: Path, text: str) -> None:
    """Écrit ce texte en entier ou pas du tout."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Pas de `tempfile` : ses droits 0600 fermeraient le fichier aux conteneurs voisins.
    draft = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(text.encode())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
