"""CONTRIBUTING.md mène quelque part : chaque fichier et chaque nom qu'il cite existent."""

import ast
import re
from pathlib import Path

import pytest

from tests.helpers.katas import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# « pièce/module.py » ou « pièce/module.py : nom », sous `atelier/`.
PLACES = sorted(set(re.findall(r"`((?:\w+/)?\w+\.py)(?: : (\w+))?`", TEXT)))
FOLDERS = sorted(set(re.findall(r"`([\w.]+/(?:\w+/)*)`", TEXT)))


def _names(file: Path) -> set[str]:
    """Ce que ce module définit : fonctions, classes, constantes."""
    names = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_there_are_places() -> None:
    """La promenade et la table citent bien des modules et des noms."""
    assert len([name for _, name in PLACES if name]) >= 20


@pytest.mark.parametrize(("module", "name"), PLACES)
def test_place_exists(module: str, name: str) -> None:
    """Ce module est là, et définit ce nom."""
    files = [folder / module for folder in (ROOT / "atelier", ROOT) if (folder / module).is_file()]

    assert files
    assert not name or name in _names(files[0])


def test_folders_exist() -> None:
    """Chaque dossier cité est là ; `NN_slug` vaut pour tous les katas, et d'autres se créent."""
    places = (ROOT, ROOT / "atelier", ROOT / "tests")
    created = ("build/", ".venv/", ".atelier/")
    cited = [folder for folder in FOLDERS if "NN_slug" not in folder and not folder.startswith(created)]

    assert cited
    assert [] == [folder for folder in cited if not any((place / folder).is_dir() for place in places)]


def test_every_room_is_drawn() -> None:
    """Le dessin montre toutes les pièces."""
    drawing = TEXT.partition("```text\n")[2].partition("```")[0]
    rooms = {path.parent.name for path in (ROOT / "atelier").glob("*/__init__.py")}

    assert set() == rooms - {*re.findall(r"\w+", drawing)}
