"""Chaque réponse fausse que l'on connaît est refusée, par le bon test et avec le bon message."""

from pathlib import Path

import pytest

from tests.helpers import katas
from tests.helpers.kata_runs import WRONG_ANSWERS, case_of, header_of, on_wrong_answers, play_wrong_answer


@pytest.mark.parametrize("file", WRONG_ANSWERS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_misconception_is_killed_by_its_test(file: Path) -> None:
    """Le test que nomme la première ligne est rouge, et son message parle de cette erreur-là."""
    _assert_killed(file, on_wrong_answers(file.parent.name), case_of(file))


@pytest.mark.parametrize("folder", katas.kata_folders())
def test_every_kata_has_misconceptions(folder: str) -> None:
    """Aucun kata ne se contente de sa solution : au moins cinq erreurs plausibles sont écrites."""
    known = [file for file in WRONG_ANSWERS if file.parent.name == folder]

    assert len(known) >= 5


def test_wrong_answer_is_also_killed_alone() -> None:
    """Jouée seule, comme chez un étudiant, une réponse fausse a le même verdict qu'au milieu des autres."""
    file = katas.MISCONCEPTIONS / "09_tracking" / "blank_figure.py"

    _assert_killed(file, play_wrong_answer(file), case_of(file, alone=True))


def _assert_killed(file: Path, run: katas.PytestRun, case: str) -> None:
    verdict = run.verdicts().get(case)

    assert verdict, f"vert, ou pas joué :\n{run.output}"
    assert 1 == run.code, run.output
    assert _flat(header_of(file)["message"]) in _flat(verdict), verdict


def _flat(text: str) -> str:
    return " ".join(text.split())
