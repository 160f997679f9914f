"""Les clients de l'atelier : chaque kata en lit une copie, et l'on dit si l'original a changé."""

import hashlib
import os
from pathlib import Path

from atelier.machine.errors import EnvironmentProblem
from atelier.machine.paths import ROOT, state_dir, typed

ORIGINAL = ROOT / "data" / "customer_data.csv"
CHECKSUM = "ada50099f507367b605615b1d1b2cf2f794b182bc73ebd8d9046f60f8efcb3af"
# `atelier/churn.py` y cherche les clients, dans ce processus comme dans ceux qu'il lance.
VARIABLE = "ATELIER_DATA"


def damage() -> EnvironmentProblem | None:
    """Ce qui est arrivé au fichier de l'atelier, s'il n'est plus celui que donne git : deux millisecondes."""
    if not ORIGINAL.parent.is_dir():
        return None  # un atelier de poche, sans données
    name = typed(ORIGINAL)
    try:
        if hashlib.sha256(ORIGINAL.read_bytes()).hexdigest() == CHECKSUM:
            return None
    except FileNotFoundError:
        return EnvironmentProblem(f"{name} n'est plus là", f"git checkout {name}")
    return EnvironmentProblem(f"{name} n'est plus celui de l'atelier", f"git checkout {name}")


def give_copy() -> None:
    """Donne aux katas une copie intacte, quoi que le test d'avant en ait fait."""
    if not ORIGINAL.is_file():
        return
    copy = state_dir() / "data" / ORIGINAL.name
    content = ORIGINAL.read_bytes()
    os.environ[VARIABLE] = str(copy)
    if not copy.is_file() or copy.read_bytes() != content:
        _write(copy, content)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(file)  # un autre pytest lit peut-être celui d'avant
