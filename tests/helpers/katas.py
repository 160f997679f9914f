"""Lancer les katas comme un étudiant : `pytest` dans un processus à part, et lire ce qu'il affiche."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from atelier.exercise.kata import kata_folders, kata_in
from atelier.harness import warm
from atelier.machine.paths import ROOT
from tests.helpers import homes

ACCEPTED = ROOT / "tests" / "accepted"
MISCONCEPTIONS = ROOT / "tests" / "misconceptions"
TIMEOUT_SECONDS = 600
COLUMNS = {"COLUMNS": "120"}
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
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", *_options(arguments, cache)],
        cwd=root,
        env={**os.environ, **COLUMNS, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds,
        check=False,
        encoding="utf-8",
        errors="replace",
    )
    return PytestRun(finished.returncode, finished.stdout)


def play(
    *arguments: str | Path, root: Path = ROOT, env: Mapping[str, str] | None = None, cache: Path | None = None
) -> PytestRun:
    """De même, là où il n'importe pas de payer chaque lancement : un `fork` du processus préchauffé de ces tests.

    Ses imports sont ceux de cet environnement : il n'en sert pas d'autre, aux proxies près, qu'aucun import ne lit.
    """
    changed = {name for name, value in (env or {}).items() if value != os.environ.get(name)} - {"ATELIER_WARM"}
    changed = {name for name in changed if not name.lower().endswith("_proxy")}
    if not changed and homes.is_own() and _is_warm():
        with tempfile.TemporaryFile() as output, Path(os.devnull).open() as nothing:
            path = [str(root), *(folder for folder in sys.path if folder not in ("", str(ROOT)))]
            streams = [nothing.fileno(), output.fileno(), output.fileno()]
            code = warm.hand_over(
                _options(arguments, cache), root, {**os.environ, **COLUMNS, **(env or {})}, path, streams
            )
            if code is not None:
                output.seek(0)
                return PytestRun(code, output.read().decode(errors="replace"))
    return pytest_katas(*arguments, root=root, env=env, cache=cache)


@once
def _is_warm() -> bool:
    if not warm.is_possible():
        return False
    warm.start()
    wait_until(warm.is_listening)
    return True


def _options(arguments: Sequence[str | Path], cache: Path | None) -> list[str]:
    return [*(["-o", f"cache_dir={cache}"] if cache else ["-p", "no:cacheprovider"]), *map(str, arguments)]


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


__all__ = [
    "ACCEPTED",
    "MISCONCEPTIONS",
    "PATIENT",
    "ROOT",
    "PytestRun",
    "Workshop",
    "kata_folders",
    "module_name",
    "play",
    "pytest_katas",
    "solution_file",
    "test_file",
    "wait_until",
]
