"""Les paquets installés, face à ceux que demande l'atelier, et à ce qui les cacherait."""

import importlib.machinery
import importlib.metadata
import os
import re
import sys
from collections.abc import Sequence
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


def hidden_module(folder: Path, visible: Sequence[str] = ()) -> tuple[Path, str] | None:
    """Le premier fichier de ce dossier qui cache un module de Python ou d'un paquet, et le nom de ce module.

    Python cherche d'abord dans le dossier du kata et à la racine : tout ce qui importe ce module recevrait ce fichier.
    `visible` nomme ceux qui y ont leur place.
    """
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name, extension = os.path.splitext(entry.name)  # noqa: PTH122 - à chaque lancement, sur tout un dossier
        is_module = extension == ".py" or (not extension and Path(entry.path, "__init__.py").is_file())
        if is_module and name not in visible and _is_elsewhere(name):
            return Path(entry.path), name
    return None


def _is_elsewhere(name: str) -> bool:
    """Dit si ce module existe aussi ailleurs que dans le dépôt. Personne n'importe `test`, celui de Python."""
    if name in sys.stdlib_module_names:
        return name != "test"
    installed = [folder for folder in sys.path if folder and _is_installed(Path(folder))]
    return importlib.machinery.PathFinder.find_spec(name, installed) is not None


def _is_installed(folder: Path) -> bool:
    return folder.is_relative_to(sys.prefix) or not folder.is_relative_to(ROOT)
