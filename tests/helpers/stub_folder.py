"""Un dossier de poche où écrire un stub : sa solution, ce qu'en fait un étudiant, la solution de demain."""

from pathlib import Path

import pytest

from atelier.authoring.stubs import main

KEY = "03_cache/prefect_cache.py"
SOLUTION = '''\
"""Kata 03 : le cache."""

from prefect import task


def features(path):
    """Calcule les variables."""
    # TODO 1 : lisez le fichier,
    # puis comptez ses lignes.
    # BEGIN SOLUTION
    return len(open(path).readlines())
    # END SOLUTION
'''
STUB = '''\
"""Kata 03 : le cache."""

from prefect import task


def features(path):
    """Calcule les variables."""
    # TODO 1 : lisez le fichier,
    # puis comptez ses lignes.
    raise NotImplementedError("TODO 1")
'''
NEW_SOLUTION = SOLUTION.replace("comptez ses lignes", "comptez-les")
NEW_STUB = STUB.replace("comptez ses lignes", "comptez-les")
STUDENT_WORK = STUB.replace('raise NotImplementedError("TODO 1")', "return 42")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "solutions" / KEY, SOLUTION)
    return tmp_path


@pytest.fixture
def kata(root: Path) -> Path:
    return root / "katas" / KEY


@pytest.fixture
def generated(root: Path, kata: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Le stub, écrit une première fois."""
    run(root)
    capsys.readouterr()
    return kata


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())


def run(root: Path, *arguments: str) -> int:
    return main(["--root", str(root), *arguments])


def snapshot(root: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
