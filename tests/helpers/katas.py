"""Lancer les katas comme un étudiant : `pytest` dans un processus à part, et lire ce qu'il affiche."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from atelier.exercise.kata import kata_folders, kata_in
from atelier.machine.paths import ROOT

MISCONCEPTIONS = ROOT / "tests" / "misconceptions"
TIMEOUT_SECONDS = 600
# Bien plus que n'en a l'étudiant : ici la machine peut être occupée, et un délai dépassé n'apprendrait rien.
PATIENT = ("-o", "kata_deadline=60")
WORKSHOP_FILES = ("atelier", "conftest.py", "pyproject.toml", "requirements.lock")

WITHOUT = """\
from functools import partial
from importlib.machinery import PathFinder


def find_spec(original, name, *path):
    return None if name.partition(".")[0] in {packages} else original(name, *path)


PathFinder.find_spec = partial(find_spec, PathFinder.find_spec)
"""


@dataclass(frozen=True)
class PytestRun:
    """Le code de retour de pytest et ce qu'il a affiché, sorties mêlées."""

    code: int
    output: str

    def verdicts(self) -> dict[str, str]:
        """Le texte affiché sous le nom de chaque test rouge."""
        parts = re.split(r"^_+ ((?:ERROR at setup of )?test_\w+(?:\[.+\])?) _+$", self.output, flags=re.MULTILINE)
        pairs = zip(parts[1::2], parts[2::2], strict=True)
        return {name.rpartition(" ")[2]: re.split(r"^=+ ", text, flags=re.MULTILINE)[0] for name, text in pairs}


class Workshop:
    """Une copie de l'atelier sans ses katas : un test y écrit les siens et les joue."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in WORKSHOP_FILES:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, root / name)
        (root / "katas").mkdir()

    def write_kata(self, folder: str, module: str, *, test: str, code: str | bytes | None) -> Path:
        """Écrit un kata et rend le chemin de son module, absent si `code` l'est."""
        kata = self.root / "katas" / folder
        kata.mkdir()
        (kata / f"test_{module}.py").write_text(test, encoding="utf-8")
        file = kata / f"{module}.py"
        if code is not None:
            file.write_bytes(code.encode() if isinstance(code, str) else code)
        return file

    def without(self, *packages: str) -> dict[str, str]:
        """L'environnement où ces paquets semblent ne pas être installés : plus aucun chemin n'y mène."""
        folder = self.root / "without"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(WITHOUT.format(packages=set(packages)), encoding="utf-8")
        return {"PYTHONPATH": str(folder)}

    def pytest(self, *arguments: str | Path, env: Mapping[str, str] | None = None, cache: bool = True) -> PytestRun:
        """Joue ces katas, sans processus préchauffé, qui survivrait au test."""
        folder = self.root / "cache" if cache else None
        return pytest_katas(*arguments, root=self.root, cache=folder, env={"ATELIER_WARM": "0", **(env or {})})


def pytest_katas(
    *arguments: str | Path,
    root: Path = ROOT,
    env: Mapping[str, str] | None = None,
    cache: Path | None = None,
    seconds: float = TIMEOUT_SECONDS,
) -> PytestRun:
    """Lance `pytest` sur des katas de `root`, avec un cache à part pour ne pas toucher à l'avancement réel."""
    options = ["-o", f"cache_dir={cache}"] if cache else ["-p", "no:cacheprovider"]
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *map(str, arguments)],
        cwd=root,
        env={**os.environ, "COLUMNS": "120", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds,
        check=False,
        encoding="utf-8",
        errors="replace",
    )
    return PytestRun(finished.returncode, finished.stdout)


def is_outage(verdict: str) -> bool:
    """Dit si ce verdict parle de la machine, qui ne répondait plus, et non du kata : il vaut la peine de le rejouer."""
    return "environnement en panne" in verdict or "pas de réponse après" in verdict


def test_file(folder: str) -> Path:
    """Le fichier de tests d'un kata."""
    return kata_in(folder).test


def module_name(folder: str) -> str:
    """Le nom du module d'un kata, sans `.py`."""
    return kata_in(folder).module


def solution_file(folder: str) -> Path:
    """La solution d'un kata."""
    return kata_in(folder).solution


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Attend que `condition` soit vraie ; lève `AssertionError` au bout de `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "l'attente a trop duré"
        time.sleep(0.05)


def free_port() -> int:
    """Un port où personne n'écoute."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


__all__ = [
    "MISCONCEPTIONS",
    "PATIENT",
    "ROOT",
    "PytestRun",
    "Workshop",
    "free_port",
    "is_outage",
    "kata_folders",
    "module_name",
    "pytest_katas",
    "solution_file",
    "test_file",
    "wait_until",
]
