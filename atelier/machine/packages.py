"""Les paquets installés, face à ceux que demande l'atelier."""

import importlib.metadata

from atelier.machine.errors import REINSTALL, EnvironmentProblem


def installed_version(package: str) -> str:
    """La version de ce paquet. Lève `EnvironmentProblem` s'il n'est pas installé."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise EnvironmentProblem(f"le paquet « {package} » n'est pas installé", REINSTALL) from error
