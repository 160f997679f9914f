"""Chaque réponse juste que l'on connaît est acceptée, dans quelque style qu'elle soit écrite."""

import ast
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.helpers import katas

FILES = sorted(katas.ACCEPTED.glob("*/*.py"))
ENOUGH = 8


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_accepted_answer_is_green(file: Path) -> None:
    """Cette réponse passe tous les tests de son kata."""
    verdicts = _verdicts(file.parent.name).get(file.stem, {})
    if any(map(katas.is_outage, verdicts.values())):
        verdicts = _verdicts(file.parent.name, file)[file.stem]

    assert verdicts
    assert {} == {test: verdict for test, verdict in verdicts.items() if verdict}


@pytest.mark.parametrize("folder", sorted({file.parent.name for file in FILES}))
def test_styles_are_many_and_named(folder: str) -> None:
    """Les réponses acceptées d'un kata sont au moins huit, et chacune dit en une ligne quel style elle garde."""
    files = [file for file in FILES if file.parent.name == folder]

    assert len(files) >= ENOUGH
    for file in files:
        style = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        assert style.endswith("."), file
        assert "\n" not in style, file


@cache
def _verdicts(folder: str, *files: Path) -> dict[str, dict[str, str]]:
    """Joue ces réponses d'un kata, ou toutes, d'un seul coup ; le verdict de chaque test, vide s'il est vert."""
    played = files or [file for file in FILES if file.parent.name == folder]
    with TemporaryDirectory() as directory:
        options, report = [], Path(directory, "report.xml")
        for file in played:
            module = Path(directory, file.stem, folder, f"{katas.module_name(folder)}.py")
            module.parent.mkdir(parents=True)
            shutil.copy(file, module)
            options += ["--impl", Path(directory, file.stem)]
        options += ["-m", "not stack and not slow", *katas.PATIENT, f"--junitxml={report}"]
        run = katas.pytest_katas(katas.test_file(folder), *options)
        assert report.exists(), run.output
        cases = list(ElementTree.parse(report).iter("testcase"))
    verdicts = {file.stem: {} for file in played}
    for case in cases:
        test, _, name = case.attrib["name"].partition("[")
        reasons = [case.find(kind) for kind in ("failure", "error", "skipped")]
        verdict = next((reason.text or "?" for reason in reasons if reason is not None), "")
        # Un test qui a plusieurs cas est rouge si l'un d'eux l'est.
        outcomes = verdicts[_implementation(name.rstrip("]"), verdicts)]
        outcomes[test] = outcomes.get(test) or verdict
    return verdicts


def _implementation(parameters: str, names: Iterable[str]) -> str:
    """Le dossier testé, seul ou parmi les cas d'un test ; il n'est pas nommé quand il n'y en a qu'un."""
    exact = [name for name in names if name == parameters]
    among = [name for name in names if parameters.startswith(f"{name}-") or parameters.endswith(f"-{name}")]
    return (exact or among or list(names))[0]
