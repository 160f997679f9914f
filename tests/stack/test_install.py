"""La commande `atelier` : posée par `make up`, la même dans le dev container."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from atelier.stack import install
from tests.helpers.katas import ROOT


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Un environnement virtuel de poche : ses modules et ses commandes."""
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    install.make_importable()
    return tmp_path / "scripts"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lance un autre fichier")
def test_command_is_the_workshop(scripts: Path, tmp_path: Path) -> None:
    """Elle se lance d'où que l'on soit, et répond comme `python -m atelier`."""
    command = subprocess.run([scripts / "atelier", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    module = subprocess.run(
        [sys.executable, "-m", "atelier", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (0, module.stdout) == (command.returncode, command.stdout), command.stderr
    assert "démarrer ce qui ne tourne pas encore" in command.stdout


def test_installing_twice_changes_nothing(scripts: Path, tmp_path: Path) -> None:
    """Un second `make up` n'écrit rien : un terminal peut être en train de lire ces fichiers."""
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    install.make_importable()

    assert before
    assert before == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}


def test_image_has_the_same_command() -> None:
    """L'image du dev container, construite sans le code, pose le même fichier."""
    text = (ROOT / "compose" / "Dockerfile").read_text(encoding="utf-8")
    lines = install.SCRIPT.format(python="/opt/venv/bin/python").splitlines()

    assert " ".join(f"'{line}'" for line in lines) in text
