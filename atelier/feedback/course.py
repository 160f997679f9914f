"""Le parcours : les katas du dépôt, leurs TODO, leurs indices et l'avancement de l'étudiant."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from atelier.exercise.kata import KataSource, kata_folders
from atelier.machine.paths import ROOT

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


def hints(source: KataSource, todo: int) -> list[str]:
    """Les indices d'un TODO, du plus vague au plus précis, lus dans la partie « Indices » du README du kata."""
    text = source.readme.read_text(encoding="utf-8") if source.readme.exists() else ""
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
