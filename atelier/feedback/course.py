"""Le parcours : les katas du dépôt, leurs TODO, leurs indices et l'avancement de l'étudiant."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from atelier.machine.paths import ROOT
from atelier.sandbox.loader import KataSource

FOLDER = re.compile(r"\d\d_[a-z0-9_]+")
BAR_WIDTH = 10


@dataclass(frozen=True)
class Score:
    """Ce qui est vert dans un kata, à son dernier passage complet ou partiel."""

    passed: int
    total: int

    @property
    def done(self) -> bool:
        """Dit si tous les tests du kata sont verts."""
        return self.total > 0 and self.passed == self.total


def kata_folders(root: Path = ROOT) -> list[str]:
    """Les dossiers de katas, dans l'ordre du parcours."""
    return sorted(path.name for path in (root / "katas").iterdir() if FOLDER.fullmatch(path.name) and path.is_dir())


def source_of(test_file: Path, implementations: Path) -> KataSource | None:
    """Le kata que teste `katas/NN_slug/test_MODULE.py`, cherché dans `implementations` ; rien pour un autre test."""
    folder, module = test_file.parent, test_file.stem.removeprefix("test_")
    if folder.parent != ROOT / "katas" or not FOLDER.fullmatch(folder.name):
        return None
    return KataSource(folder.name, module, implementations / folder.name / f"{module}.py")


def hints(folder: str, todo: int, root: Path = ROOT) -> list[str]:
    """Les indices d'un TODO, du plus vague au plus précis, lus dans la partie « Indices » du README du kata."""
    readme = root / "katas" / folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    section = text.partition("\n## Indices")[2].partition("\n## ")[0]
    found = re.findall(r"<details><summary>TODO (\d+)[^<]*</summary>(.*?)</details>", section, flags=re.DOTALL)
    return [body.strip() for number, body in found if int(number) == todo]


def render_progress(scores: Mapping[str, Score], current: set[str], root: Path = ROOT) -> list[str]:
    """Une ligne par kata du parcours ; ceux de `current` viennent d'être joués."""
    folders = kata_folders(root)
    width = max(map(len, folders), default=0)
    return [_progress_line(folder, scores.get(folder), width, here=folder in current) for folder in folders]


def _progress_line(folder: str, score: Score | None, width: int, *, here: bool) -> str:
    mark = "  ←" if here else ""
    if score is None:
        return f"  {folder:<{width}}  {'·' * BAR_WIDTH}{mark}"
    filled = BAR_WIDTH * score.passed // max(score.total, 1)
    check = "  ✓" if score.done else ""
    return f"  {folder:<{width}}  {'█' * filled}{'·' * (BAR_WIDTH - filled)}  {score.passed}/{score.total}{check}{mark}"
