"""Quoi que contienne le fichier d'un étudiant, pytest rend un verdict court et passe au test suivant."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.helpers.hostile_files import CONTAINED, GOOD, Hostile
from tests.helpers.katas import PytestRun, Workshop

TEST = '''\
import pytest

from atelier.feedback.verdict import explain


@pytest.mark.todo(1)
def test_{name}(kata, run):
    """Le flow rend 42."""
    record = run(kata.answer)

    assert record.value == 42, explain(expected="42", got=record.value or record)
'''
DEADLINE_SECONDS = 2
# Le dernier recours de pytest : ce que le harnais n'aurait pas interrompu l'atteindrait, et tuerait toute la session.
LAST_RESORT_SECONDS = 90
MAX_LINES = 12


@dataclass(frozen=True)
class Session:
    """Une session de pytest sur tous les fichiers hostiles, et les tests qui ont fini."""

    run: PytestRun
    finished: list[str]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, own_server: Mapping[str, str]) -> Session:
    root = tmp_path_factory.mktemp("hostile")
    workshop = Workshop(root)
    _write(workshop, Hostile("first", GOOD), number=0)
    for number, file in enumerate(CONTAINED):
        _write(workshop, file, number=1 + number % 98)
    _write(workshop, Hostile("last", GOOD), number=99)
    limits = [f"kata_deadline={DEADLINE_SECONDS}", f"timeout={LAST_RESORT_SECONDS}"]
    options = [option for limit in limits for option in ("-o", limit)] + ["--junitxml=report.xml"]
    run = workshop.pytest(*options, env={**workshop.without("discord_webhook"), **own_server})

    cases = ElementTree.parse(root / "report.xml").iter("testcase") if (root / "report.xml").exists() else []
    return Session(run, [case.attrib["name"] for case in cases])


@pytest.mark.parametrize("file", CONTAINED, ids=lambda file: file.name)
def test_file_gets_its_verdict(file: Hostile, session: Session) -> None:
    """Le verdict dit ce que le fichier fait de mal, à sa ligne ; un fichier juste est vert."""
    verdict = session.run.verdicts().get(f"test_{file.name}", "")

    expected = [*file.verdict, *([f"{file.name}.py:{file.line}\n"] if file.line else [])]
    assert ([], bool(expected)) == ([part for part in expected if part not in verdict], bool(verdict)), verdict


@pytest.mark.parametrize("file", [file for file in CONTAINED if file.verdict], ids=lambda file: file.name)
def test_verdict_is_short(file: Hostile, session: Session) -> None:
    """Un échec tient en douze lignes, titre compris, sans caractère de contrôle."""
    lines = session.run.verdicts().get(f"test_{file.name}", "").rstrip("\n").split("\n")[1:]

    assert 0 < len(lines) < MAX_LINES
    assert all(line.isprintable() and len(line) <= 120 for line in lines), lines


@pytest.mark.parametrize("file", CONTAINED, ids=lambda file: file.name)
def test_file_gives_the_hand_back(file: Hostile, session: Session) -> None:
    """Quoi que fasse un fichier, son test finit avant le dernier recours : boucles et attentes n'ont pas de fin."""
    assert [f"test_{file.name}"] == [name for name in session.finished if name == f"test_{file.name}"]


def test_last_kata_is_still_green(session: Session) -> None:
    """Après tous ces fichiers, un fichier juste est encore vert."""
    assert "test_last" in session.finished
    assert "test_last" not in session.run.verdicts()


def test_session_ends_normally(session: Session) -> None:
    """Le code de retour est 1, et le compte de pytest est juste."""
    failed = sum(bool(file.verdict) for file in CONTAINED)
    # Une panne constatée dans une fixture est une erreur de pytest, pas un échec.
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (failed|passed|error)", _last_line(session))}

    assert 1 == session.run.code
    assert {"failed": failed - 1, "passed": len(CONTAINED) + 2 - failed, "error": 1} == counts


def _last_line(session: Session) -> str:
    return session.run.output.strip().splitlines()[-1]


def _write(workshop: Workshop, file: Hostile, number: int) -> None:
    workshop.write_kata(f"{number:02}_{file.name}", file.name, test=TEST.format(name=file.name), code=file.code)
