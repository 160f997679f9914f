"""L'historique des stubs : `solutions/stubs.json` garde l'empreinte de chaque stub produit.

Un fichier de `katas/` qui n'y figure pas contient le travail de quelqu'un, et n'est jamais remplacé sans copie.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from atelier.exercise.reading import StubError
from atelier.machine.files import write_atomically
from atelier.machine.paths import ROOT

HISTORY = Path("solutions", "stubs.json")


def is_untouched(kata_file: Path, root: Path = ROOT) -> bool:
    """Dit si ce fichier est encore l'un des stubs produits, aux fins de ligne et blancs finaux près."""
    try:
        key = kata_file.resolve().relative_to(root.resolve() / "katas").as_posix()
        return History.load(root).knows(key, digest(kata_file.read_bytes()))
    except (OSError, ValueError):
        # Dans le doute (fichier absent, historique illisible), c'est le travail de quelqu'un.
        return False


@dataclass(frozen=True)
class History:
    """Les empreintes de tous les stubs jamais produits, une par ligne pour que git fusionne bien."""

    file: Path
    digests: dict[str, list[str]]

    @classmethod
    def load(cls, root: Path) -> History:
        """L'historique de ce dépôt, vide s'il n'en a pas. Lève `StubError` s'il est illisible."""
        file = root / HISTORY
        try:
            digests = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(file, {})
        except ValueError as error:
            raise cls._unreadable(getattr(error, "lineno", 1)) from error
        if not (isinstance(digests, dict) and all(isinstance(known, list) for known in digests.values())):
            raise cls._unreadable(1)
        return cls(file, digests)

    @staticmethod
    def _unreadable(line: int) -> StubError:
        name = HISTORY.as_posix()
        remedy = f"terminez la fusion git, ou lancez `git restore {name}`"
        return StubError(f"{name}:{line}: historique illisible : {remedy}.")

    def knows(self, key: str, digest: str) -> bool:
        """Dit si ce stub a été produit un jour."""
        return digest in self.digests.get(key, [])

    def record(self, key: str, digest: str) -> None:
        """Retient ce stub, tout de suite et pour toujours."""
        if self.knows(key, digest):
            return
        digests = self.digests | {key: sorted([*self.digests.get(key, []), digest])}
        write_atomically(self.file, json.dumps(digests, indent=2, sort_keys=True) + "\n")
        self.digests.update(digests)


def digest(content: bytes) -> str:
    """L'empreinte d'un fichier, aux fins de ligne et blancs finaux près."""
    lines = [line.rstrip() for line in content.removeprefix(codecs.BOM_UTF8).splitlines()]
    return hashlib.sha256(b"\n".join(lines).rstrip() + b"\n").hexdigest()
