"""Un fichier qui ne se charge pas : dit une fois, à sa ligne, avec les indices du TODO qu'elle concerne."""

import pytest

from tests.helpers import toy as kata
from tests.helpers.toy import Toy, toy

__all__ = ["toy"]
AT_IMPORT = kata.DONE.replace("def two():", "def two(limit=one(1)):")


def test_error_at_import_is_told_once(toy: Toy) -> None:
    """Le message entier une fois ; ensuite, chaque test n'en répète que le titre."""
    toy.write(AT_IMPORT)
    run = toy.pytest()

    title = "à corriger · TODO 2 · le fichier se charge"
    assert (3, 1) == (run.output.count(title), run.output.count("attendu : un fichier qui se charge jusqu'au bout"))
    assert "one() n'attend aucun argument, et en reçoit 1" in run.output
    assert "plain_toy.py:6" in run.output


def test_hints_are_those_of_the_line(toy: Toy) -> None:
    """`--indice` ne donne pas ceux du test qui passait le premier, mais ceux du TODO de la ligne en cause."""
    toy.write(kata.DONE.replace("def one():", "def one(limit=1 / 0):"))
    first = toy.pytest("--indice").output

    assert "TODO 1, indice 1 sur 2 :" in first


def test_error_that_concerns_no_todo_has_no_hint(toy: Toy) -> None:
    """Rien à indiquer : on le dit, et l'on n'envoie pas lire la solution."""
    toy.write("1 / 0\n")
    output = toy.pytest("--indice").output

    assert "Aucun indice pour cette erreur : le message ci-dessus dit où elle est." in output
    assert "La solution" not in output


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("def one()\n    return 1\n", "il manque « : » à la fin de cette ligne"),
        ("<<<<<<< HEAD\ndef one(): ...\n", "une marque de conflit de git, « <<<<<<< »"),
    ],
)
def test_unreadable_file_is_explained_in_french(toy: Toy, code: str, meaning: str) -> None:
    """Une faute de syntaxe se lit en français, avec sa ligne."""
    toy.write(f"{kata.ONE_DONE}\n\n{code}")
    output = toy.pytest().output

    assert meaning in output
    assert "à corriger · TODO 2 · le fichier se charge" in output


@pytest.mark.parametrize("line", ["input('?')", "import os; os._exit(0)"])
def test_interrupted_loading_is_told_as_such(toy: Toy, line: str) -> None:
    """Ce que le harnais arrête au chargement n'est pas reproché au test qui passait le premier."""
    toy.write(f"{kata.STUB}\n\n{line}\n")
    output = toy.pytest().output

    assert 3 == output.count("à corriger · TODO 2 · le fichier se charge")


def test_todo_called_at_import_is_still_a_todo(toy: Toy) -> None:
    """Un TODO qui s'exécute dès le chargement reste « pas encore fait », pas une faute."""
    toy.write(kata.ONE_DONE + "\n\ntwo()\n")

    assert "pas encore fait · TODO 2" in toy.pytest().output
