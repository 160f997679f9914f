"""Chaque réponse juste que l'on connaît est acceptée, dans quelque style qu'elle soit écrite."""

import ast
from pathlib import Path

import pytest

from tests.helpers.kata_runs import RIGHT_ANSWERS, on_right_answers

ENOUGH = 8


@pytest.mark.slow
@pytest.mark.parametrize("file", RIGHT_ANSWERS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_accepted_answer_is_green(file: Path) -> None:
    """Cette réponse passe tous les tests de son kata."""
    outcomes = [outcome for outcome in on_right_answers(file.parent.name) if _is_of(outcome.implementation, file.stem)]

    assert outcomes
    assert [] == [(outcome.test, outcome.verdict) for outcome in outcomes if outcome.verdict]


@pytest.mark.parametrize("folder", sorted({file.parent.name for file in RIGHT_ANSWERS}))
def test_styles_are_many_and_named(folder: str) -> None:
    """Les réponses acceptées d'un kata sont au moins huit, et chacune dit en une ligne quel style elle garde."""
    files = [file for file in RIGHT_ANSWERS if file.parent.name == folder]

    assert len(files) >= ENOUGH
    for file in files:
        style = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        assert style.endswith("."), file
        assert "\n" not in style, file


def _is_of(parameters: str, name: str) -> bool:
    """Dit si ce cas est celui de ce dossier ; un test qui a plusieurs cas les nomme à côté de lui."""
    return name == parameters or parameters.startswith(f"{name}-") or parameters.endswith(f"-{name}")
