"""L'atelier dans son environnement virtuel : `import atelier` et la commande `atelier`, d'où que l'on soit.

Il ne s'installe pas comme un paquet : `uv pip sync` ôterait ce qui n'est pas dans le verrou, et l'image du dev
container se construit sans le code, que l'on monte ensuite.
"""

import shutil
import sys
import sysconfig
from pathlib import Path

from atelier.machine.files import write_atomically
from atelier.machine.paths import ROOT

# Lu au départ de chaque Python de l'environnement : `import mlflow`, en tête d'un kata, écrirait chez l'utilisateur.
NO_TELEMETRY = 'import os; os.environ.setdefault("DO_NOT_TRACK", "true")'
SCRIPT = """\
#!{python}
import sys

from atelier.__main__ import main

sys.exit(main())
"""
# Sous Windows, `pip` fait de ses commandes de petits programmes ; une ligne suffit ici.
WINDOWS_SCRIPT = '@"%~dp0python.exe" -m atelier %*\r\n'


def make_importable() -> None:
    """Pose le chemin de l'atelier et sa commande dans l'environnement virtuel ; hors de lui, on n'installe rien."""
    if sys.prefix == sys.base_prefix:
        return
    _write(Path(sysconfig.get_path("purelib"), "atelier.pth"), f"{ROOT}\n{NO_TELEMETRY}\n")
    scripts = Path(sysconfig.get_path("scripts"))
    if sys.platform == "win32":
        _write(scripts / "atelier.cmd", WINDOWS_SCRIPT)
    else:
        _write(scripts / "atelier", SCRIPT.format(python=sys.executable))
        (scripts / "atelier").chmod(0o755)


def activation() -> str:
    """La ligne qui active l'environnement virtuel, s'il ne l'est pas déjà."""
    found = shutil.which("pytest")
    if found and Path(found).parent == Path(sys.executable).parent:
        return ""
    return "\n  .venv\\Scripts\\activate" if sys.platform == "win32" else "\n  source .venv/bin/activate"


def _write(file: Path, text: str) -> None:
    if not file.exists() or file.read_bytes() != text.encode():
        write_atomically(file, text)
