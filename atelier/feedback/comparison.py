"""La solution à côté de ce que l'étudiant a écrit, avec la raison d'être du kata : `pytest katas/NN --compare`."""

import ast
import difflib
from collections.abc import Iterator
from pathlib import Path

from atelier.exercise.kata import KataSource
from atelier.exercise.marks import make_solution
from atelier.exercise.reading import StubError
from atelier.machine.paths import shown

CONTEXT_LINES = 2


def compare(source: KataSource) -> Iterator[str]:
    """Les lignes à afficher ; une différence commence par « - » (vous) ou « + » (la solution)."""
    solution = source.solution
    try:
        theirs = make_solution(solution.read_text(encoding="utf-8"), shown(solution))
        yours = source.path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, StubError) as error:
        yield f"Rien à comparer : {error}"
        return
    if _same_code(yours, theirs):
        yield f"{shown(source.path)} : le même code que la solution."
    else:
        yield f"- {shown(source.path)} : votre code"
        yield f"+ {shown(solution)} : une solution, parmi d'autres"
        yield ""
        yield from _differences(yours, theirs)
    if why := _why(source.readme):
        yield ""
        yield "Pourquoi ce kata ?"
        yield from why


def _differences(yours: str, theirs: str) -> Iterator[str]:
    diff = difflib.unified_diff(yours.splitlines(), theirs.splitlines(), n=CONTEXT_LINES, lineterm="")
    for line in list(diff)[2:]:  # sans les noms de fichiers, déjà dits
        yield "  …" if line.startswith("@@") else line


def _same_code(yours: str, theirs: str) -> bool:
    """Dit si seuls diffèrent les commentaires et la mise en page."""
    try:
        return ast.dump(ast.parse(yours)) == ast.dump(ast.parse(theirs))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _why(readme: Path) -> list[str]:
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    return text.partition("\n## Pourquoi\n")[2].partition("\n## ")[0].strip().splitlines()
