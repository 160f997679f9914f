"""Chaque réponse fausse que l'on connaît est refusée, par le bon test et avec le bon message."""

import re
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.helpers import katas

FILES = sorted(katas.MISCONCEPTIONS.glob("*/*.py"))
HEADER = re.compile(r"# tué par : (?P<test>test_\w+)\n# message : (?P<message>.+)\n\"\"\"(?P<why>.+)\"\"\"\n")


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_misconception_is_killed_by_its_test(file: Path) -> None:
    """Le test que nomme la première ligne est rouge, et son message parle de cette erreur-là."""
    header = _header(file)

    verdict = _verdict(file, _run_all(file.parent.name))
    if _flat(header["message"]) not in _flat(verdict) and katas.is_outage(verdict):
        verdict = _verdict(file, _run([file]))

    assert _flat(header["message"]) in _flat(verdict), verdict


@pytest.mark.parametrize("folder", katas.kata_folders())
def test_every_kata_has_misconceptions(folder: str) -> None:
    """Aucun kata ne se contente de sa solution : au moins cinq erreurs plausibles sont écrites."""
    known = [file for file in FILES if file.parent.name == folder]

    assert len(known) >= 5


def test_wrong_answer_is_also_killed_alone() -> None:
    """Rejouée seule, après une panne, une réponse fausse a le même verdict qu'au milieu des autres."""
    file = katas.MISCONCEPTIONS / "09_tracking" / "blank_figure.py"

    assert _flat(_header(file)["message"]) in _flat(_verdict(file, _run([file])))


@cache
def _run_all(folder: str) -> katas.PytestRun:
    """Joue toutes les réponses fausses d'un kata d'un seul coup."""
    return _run([file for file in FILES if file.parent.name == folder])


def _run(files: Sequence[Path]) -> katas.PytestRun:
    """Joue ces réponses fausses, chacune contre le seul test qui doit la tuer."""
    with TemporaryDirectory() as directory:
        tests, options = [], []
        for file in files:
            folder = file.parent.name
            module = Path(directory, file.stem, folder, f"{katas.module_name(folder)}.py")
            module.parent.mkdir(parents=True)
            shutil.copy(file, module)
            tests.append(f"{katas.test_file(folder)}::{_test_name(file, alone=len(files) == 1)}")
            options += ["--impl", Path(directory, file.stem)]
        return katas.pytest_katas(*tests, "-m", "not stack", *katas.PATIENT, *options)


def _verdict(file: Path, run: katas.PytestRun) -> str:
    verdicts = run.verdicts()
    verdict = verdicts.get(_test_name(file)) or verdicts.get(_test_name(file, alone=True))
    assert verdict, f"vert, ou pas joué :\n{run.output}"
    assert 1 == run.code, run.output
    return verdict


def _test_name(file: Path, *, alone: bool = False) -> str:
    """Le nom du test, suivi de celui du dossier testé quand il y en a plusieurs."""
    return _header(file)["test"] + ("" if alone else f"[{file.stem}]")


def _header(file: Path) -> re.Match[str]:
    header = HEADER.match(file.read_text(encoding="utf-8"))
    assert header, f"{file} doit commencer par « # tué par : », « # message : » et une ligne qui dit l'erreur"
    return header


def _flat(text: str) -> str:
    return " ".join(text.split())
