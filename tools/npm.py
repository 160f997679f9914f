"""Les outils que npm apporte, installés dans `.atelier/` aux versions exactes de `package.json`."""

import hashlib
import shutil
import socket
import subprocess
from functools import cache
from pathlib import Path

from atelier.machine.paths import state_dir

PACKAGES = Path(__file__).with_name("package.json")


class MissingTool(Exception):
    """Ce qu'il faudrait installer pour jouer ces tests."""


@cache
def node_modules() -> Path:
    """Le dossier des paquets npm, rempli à la première demande. Lève `MissingTool` sans `npm` ou sans réseau."""
    npm = shutil.which("npm")
    if not npm:
        raise MissingTool("npm n'est pas installé (sous Debian ou Ubuntu : sudo apt install npm)")
    version = hashlib.sha256(PACKAGES.read_bytes()).hexdigest()[:12]
    folder = state_dir() / "npm" / version
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGES, folder)
        command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        if subprocess.run(command, cwd=folder, check=False).returncode:
            raise MissingTool(f"« npm install » échoue (dans {folder}) : vérifiez le réseau, puis recommencez")
        (folder / "complete").touch()
    return folder / "node_modules"


def free_ports(count: int) -> list[int]:
    """Des ports que personne n'occupe, tous différents."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
