"""`--compare` : la solution à côté de ce que l'étudiant a écrit, et la raison d'être du kata."""

import re

import pytest

from tests.helpers import toy as kata
from tests.helpers.katas import PytestRun
from tests.helpers.toy import Toy, toy

__all__ = ["toy"]
WHY = "\n## Pourquoi\n\nParce qu'il faut\ncompter.\n\n## Indices\n"


def _comparison(run: PytestRun) -> list[str]:
    text = re.split(r"^=+ \w+ : votre code et la solution =+\n", run.output, flags=re.MULTILINE)[1]
    return re.split(r"^=", text, flags=re.MULTILINE)[0].rstrip().splitlines()


@pytest.fixture
def with_reason(toy: Toy) -> Toy:
    readme = toy.file.with_name("README.md")
    readme.write_text(kata.README.replace("\n## Indices\n", WHY), encoding="utf-8")
    return toy


def test_differences_are_shown_without_markers(toy: Toy) -> None:
    """Ce qui est à l'étudiant commence par « - », ce qui est à la solution par « + »."""
    toy.write(kata.DONE.replace("return 1", "return 3 - 2"))
    lines = _comparison(toy.pytest("--compare"))

    assert {"-    return 3 - 2", "+    return 1"} <= set(lines)
    assert [] == [line for line in lines if "BEGIN" in line or ("return 2" in line and line.startswith(("-", "+")))]


def test_reason_of_the_kata_is_shown(with_reason: Toy) -> None:
    """La partie « Pourquoi » du README termine la comparaison."""
    with_reason.write(kata.ONE_DONE)

    assert ["Pourquoi ce kata ?", "Parce qu'il faut", "compter."] == _comparison(with_reason.pytest("--compare"))[-3:]


def test_same_code_is_said(toy: Toy) -> None:
    """Aux commentaires près, le même code : une phrase, pas de différences."""
    toy.write(re.sub(r" *# TODO.*\n", "", kata.DONE))

    assert ["katas/05_toy/plain_toy.py : le même code que la solution."] == _comparison(toy.pytest("--compare"))


@pytest.mark.parametrize("content", ["def one(:\n", "é"], ids=["syntax", "name"])
def test_broken_file_is_compared_too(toy: Toy, content: str) -> None:
    """Un fichier qui ne se lit pas comme du Python se compare quand même."""
    toy.write(content)

    assert f"-{content.strip()}" in _comparison(toy.pytest("--compare"))


def test_missing_file_is_said(toy: Toy) -> None:
    """Rien à comparer : une phrase, et les verdicts restent."""
    toy.file.unlink()
    run = toy.pytest("--compare")

    assert (1, True) == (run.code, _comparison(run)[0].startswith("Rien à comparer : "))


def test_finished_kata_invites_to_compare(toy: Toy) -> None:
    """L'invitation vient quand le kata est fini, pas avant."""
    invitation = f"Et la solution ? pytest katas/{kata.FOLDER} --compare"
    seen = []
    for code, options in ((kata.ONE_DONE, []), (kata.DONE, []), (kata.DONE, ["--compare"])):
        toy.write(code)
        seen.append(invitation in toy.pytest(*options).output)

    assert [False, True, False] == seen
