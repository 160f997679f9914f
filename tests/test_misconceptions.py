"""Chaque réponse fausse que l'on connaît est refusée, par le bon test et avec le bon message."""

import re
import shutil
from pathlib import Path

import pytest

from tests import katas

FILES = sorted(katas.MISCONCEPTIONS.glob("*/*.py"))
HEADER = re.compile(r"# tué par : (?P<test>test_\w+)\n# message : (?P<message>.+)\n\"\"\"(?P<why>.+)\"\"\"\n")


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_misconception_is_killed_by_its_test(file: Path, tmp_path: Path) -> None:
    """Le test que nomme la première ligne est rouge, et son message parle de cette erreur-là."""
    header = HEADER.match(file.read_text(encoding="utf-8"))
    assert header, f"{file} doit commencer par « # tué par : », « # message : » et une ligne qui dit l'erreur"
    folder = file.parent.name
    (tmp_path / folder).mkdir()
    shutil.copy(file, tmp_path / folder / f"{katas.module_name(folder)}.py")

    run = katas.pytest_katas(f"{katas.test_file(folder)}::{header['test']}", "--impl", tmp_path)

    verdict = run.verdicts().get(header["test"], run.output)
    assert (1, True) == (run.code, _flat(header["message"]) in _flat(verdict)), verdict


@pytest.mark.parametrize("folder", katas.kata_folders())
def test_every_kata_has_misconceptions(folder: str) -> None:
    """Aucun kata ne se contente de sa solution : au moins cinq erreurs plausibles sont écrites."""
    known = [file for file in FILES if file.parent.name == folder]

    assert len(known) >= 5


def _flat(text: str) -> str:
    return " ".join(text.split())
