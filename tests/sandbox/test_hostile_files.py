"""Quoi que contienne le fichier d'un étudiant, pytest rend un verdict court et passe au test suivant."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.hostile_files import CONTAINED, ENDLESS_LOOPS, GOOD, Hostile
from tests.helpers.katas import PATIENT, PytestRun, Workshop

TEST = '''\
import pytest

from atelier.feedback.verdict import explain


@pytest.mark.todo(1)
def test_{name}(kata, run):
    """Le flow rend 42."""
    record = run(kata.answer)

    assert record.value == 42, explain(expected="42", got=record.value or record)
'''
# Les boucles sans fin l'atteignent toujours ; tout le reste a le temps de finir, même sur une machine chargée.
DEADLINE = ("-o", "kata_deadline=2")
MAX_LINES = 12


@dataclass(frozen=True)
class Session:
    """Une session de pytest sur des fichiers hostiles, et les tests qui ont fini."""

    files: list[Hostile]
    run: PytestRun
    finished: list[str]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory, own_server: Mapping[str, str]) -> list[Session]:
    """Les boucles sans fin d'un côté, tous les autres fichiers de l'autre."""
    others = [file for file in CONTAINED if file not in ENDLESS_LOOPS]
    return [
        _played(tmp_path_factory.mktemp("hostile"), files, options, own_server)
        for files, options in ((others, PATIENT), (ENDLESS_LOOPS, DEADLINE))
    ]


def _played(root: Path, files: list[Hostile], options: Sequence[str], server: Mapping[str, str]) -> Session:
    workshop = Workshop(root)
    _write(workshop, Hostile("first", GOOD), number=0)
    for number, file in enumerate(files):
        _write(workshop, file, number=1 + number % 98)
    _write(workshop, Hostile("last", GOOD), number=99)
    run = workshop.pytest(*options, "--junitxml=report.xml", env={**workshop.without("discord_webhook"), **server})

    cases = ElementTree.parse(root / "report.xml").iter("testcase") if (root / "report.xml").exists() else []
    return Session(files, run, [case.attrib["name"] for case in cases])


@pytest.fixture
def session(file: Hostile, sessions: list[Session]) -> Session:
    """Celle qui a joué ce fichier."""
    return next(session for session in sessions if file in session.files)


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
    """Quoi que fasse un fichier, son test finit : sinon, le dernier recours de pytest aurait tué toute la session."""
    assert [f"test_{file.name}"] == [name for name in session.finished if name == f"test_{file.name}"]


def test_last_kata_is_still_green(sessions: list[Session]) -> None:
    """Après tous ces fichiers, un fichier juste est encore vert."""
    assert all("test_last" in session.finished for session in sessions)
    assert not any("test_last" in session.run.verdicts() for session in sessions)


def test_sessions_end_normally(sessions: list[Session]) -> None:
    """Le code de retour est 1, et le compte de pytest est juste."""
    # Une panne constatée dans une fixture est une erreur de pytest, pas un échec.
    outages = [1, 0]
    red = [sum(bool(file.verdict) for file in session.files) for session in sessions]
    expected = [
        {"failed": failed - errors, "passed": len(session.files) + 2 - failed, **({"error": errors} if errors else {})}
        for session, failed, errors in zip(sessions, red, outages, strict=True)
    ]

    assert [1, 1] == [session.run.code for session in sessions]
    assert expected == [_counts(session) for session in sessions]


def _counts(session: Session) -> dict[str, int]:
    last_line = session.run.output.strip().splitlines()[-1]
    return {word: int(count) for count, word in re.findall(r"(\d+) (failed|passed|error)", last_line)}


def _write(workshop: Workshop, file: Hostile, number: int) -> None:
    workshop.write_kata(f"{number:02}_{file.name}", file.name, test=TEST.format(name=file.name), code=file.code)
