"""Ce que l'on demande à pytest de jouer : un kata mal nommé, ou un autre fichier que celui de ses tests."""

import difflib
from pathlib import Path

from atelier.exercise.kata import KATAS, kata_folders, original_of
from atelier.machine.paths import typed


def explain_target(argument: str, directory: Path) -> str | None:
    """Pourquoi pytest ne trouverait là aucun test, et quoi taper à la place ; rien si la demande se tient.

    `argument` est un fichier, un dossier ou l'identifiant d'un test, depuis `directory`.
    """
    path = Path(argument.partition("::")[0])
    if not (directory / path).exists():
        return f"{argument} n'existe pas. Essayez : pytest {typed(KATAS / _meant(path))}"
    target = (directory / path).resolve()
    folder = target if target.is_dir() else target.parent
    if original := original_of(folder):
        copied = f"{typed(folder)} est une copie de katas/{original}, que pytest ne sait pas tester"
        return f"{copied}. Travaillez dans l'original : pytest {typed(KATAS / original)}"
    kata = target.parent
    if path.name.startswith("test_") or kata.parent != KATAS:
        return None
    return f"{argument} n'est pas un fichier de tests. Essayez : pytest {typed(kata)}"


def _meant(path: Path) -> str:
    """Le kata que l'on a sans doute voulu nommer, par son numéro, par son nom ou à une faute près ; sinon, rien."""
    for word in reversed(path.parts[-2:]):
        number, name = word.partition("_")[0], word.rpartition("_")[2]
        numbered = f"{number:0>2}_" if number.isdecimal() else None
        for folder in kata_folders():
            if folder.endswith(f"_{name}") or (numbered and folder.startswith(numbered)):
                return folder
        if close := difflib.get_close_matches(word, kata_folders(), n=1):
            return close[0]
    return ""
