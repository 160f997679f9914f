"""La maison tient debout : chaque module s'importe, aucune pièce ne regarde au-dessus d'elle, rien n'y grossit trop."""

import ast
import importlib
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import atelier
import tools
from tests import helpers
from tests.helpers.katas import ROOT

LONGEST_MODULE = 350
LONGEST_FUNCTION = 40
ROOMS = sorted(path.parent for path in (ROOT / "atelier").glob("*/__init__.py"))


def _modules() -> list[str]:
    packages = [(package.__path__, f"{package.__name__}.") for package in (atelier, tools, helpers)]
    return sorted(found.name for path, prefix in packages for found in pkgutil.walk_packages(path, prefix))


def _sources() -> list[Path]:
    folders = (ROOT / name for name in ("atelier", "tools", "tests"))
    return sorted(
        file
        for folder in folders
        for file in folder.rglob("*.py")
        if not {"misconceptions", "accepted"} & {*file.parts}
    )


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)


def _functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_every_module_is_imported() -> None:
    """Chaque module s'importe : un nom écrit dans une chaîne, ou qui n'existe plus, se verrait ici."""
    imported = [importlib.import_module(name).__name__ for name in _modules()]

    assert len(imported) > 100


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_room_says_what_lives_there(room: Path) -> None:
    """Le haut d'une pièce dit en deux lignes ce qui y vit, et ce qui n'y vit pas."""
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""

    assert 2 == len([line for line in text.splitlines() if line])


@pytest.mark.parametrize(
    ("file", "upward"),
    [
        ("machine/web.py", "from atelier.feedback import verdict"),
        ("feedback/course.py", "import atelier.stack.services"),
        ("mlflow/store.py", "from atelier.prefect import server"),
        ("stack/health.py", "from atelier.workshop import run_url"),
    ],
)
def test_upward_import_is_refused(file: str, upward: str, tmp_path: Path) -> None:
    """Un import qui remonte, ou qui passe d'un outil à l'autre, rend `make lint` rouge, même au fond d'une fonction."""
    shutil.copytree(ROOT / "atelier", tmp_path / "atelier", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    kept = _lint(tmp_path)
    with (tmp_path / "atelier" / file).open("a", encoding="utf-8") as source:
        source.write(f"\n\ndef late():\n    {upward}\n")
    broken = _lint(tmp_path)

    assert (0, 1) == (kept.returncode, broken.returncode), kept.stdout + broken.stdout
    assert "atelier" in broken.stdout.partition("is not allowed to import")[2]


def test_room_unknown_to_the_contract_is_refused(tmp_path: Path) -> None:
    """Une pièce nouvelle doit prendre sa place dans l'ordre."""
    shutil.copytree(ROOT / "atelier", tmp_path / "atelier", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "atelier" / "attic.py").write_text("", encoding="utf-8")

    assert 1 == _lint(tmp_path).returncode


def test_modules_stay_short() -> None:
    """Un module tient en quelques écrans."""
    lengths = {_shown(file): len(file.read_text(encoding="utf-8").splitlines()) for file in _sources()}

    assert {} == {name: length for name, length in lengths.items() if length > LONGEST_MODULE}


def test_functions_stay_short() -> None:
    """Une fonction tient sur un seul écran."""
    lengths = {f"{_shown(file)}:{node.name}": _length(node) for file in _sources() for node in _functions(file)}

    assert {} == {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION}


def _shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
