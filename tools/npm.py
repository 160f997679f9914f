"""Les outils que npm apporte, installés dans `.atelier/` aux versions exactes de `package.json`."""

import hashlib
import shutil
import subprocess
from functools import cache
from pathlib import Path

from filelock import FileLock

from atelier.machine.paths import state_dir

PACKAGES = Path(__file__).with_name("package.json")
# Noté au départ : les tests ont ensuite leur propre dossier d'état, neuf à chaque fois.
INSTALLED = state_dir() / "npm"


class MissingTool(Exception):
    """Ce qu'il faudrait installer pour jouer ces tests."""


@cache
def node_modules() -> Path:
    """Le dossier des paquets npm, rempli à la première demande. Lève `MissingTool` sans `npm` ou sans réseau."""
    npm = shutil.which("npm")
    if not npm:
        raise MissingTool("npm n'est pas installé (sous Debian ou Ubuntu : sudo apt install npm)")
    version = hashlib.sha256(PACKAGES.read_bytes()).hexdigest()[:12]
    folder = INSTALLED / version
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "install.lock"):
        if not (folder / "complete").exists():
            shutil.copy(PACKAGES, folder)
            command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
            if subprocess.run(command, cwd=folder, check=False).returncode:
                raise MissingTool(f"« npm install » échoue (dans {folder}) : vérifiez le réseau, puis recommencez")
            (folder / "complete").touch()
    return folder / "node_modules"
