"""Les paquets installés, face à ceux que demande l'atelier."""

import importlib.metadata
import re
from pathlib import Path

from atelier.machine.errors import REINSTALL, EnvironmentProblem
from atelier.machine.paths import ROOT


def installed_version(package: str) -> str:
    """La version de ce paquet. Lève `EnvironmentProblem` s'il n'est pas installé."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise EnvironmentProblem(f"le paquet « {package} » n'est pas installé", REINSTALL) from error


def locked(root: Path = ROOT) -> list[str]:
    """Ce que demande `requirements.lock` : « prefect==3.8.8 », et parfois une condition ; rien s'il n'existe pas."""
    lock = root / "requirements.lock"
    text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    return [line.strip() for line in re.findall(r"^[A-Za-z0-9][^\s\\]+(?: *;[^\\\n]+)?", text, re.MULTILINE)]
