"""Chaque kata tient ce qu'il promet : rouge au départ, vert à la fin, un TODO après l'autre."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from atelier.exercise.kata import kata_in
from atelier.feedback.course import hints
from tests.helpers import kata_runs, katas

HEADINGS = ["But", "Pourquoi", "À faire", "Vérifier", "Voir", "Indices", "Pour aller plus loin"]
LONGEST_MODULE = 80
MIN_HINTS = 2
FOLDERS = katas.kata_folders()


TODOS = [(folder, number) for folder in FOLDERS for number in kata_runs.todos(folder)]
TESTS = [(folder, test) for folder in FOLDERS for test in kata_runs.tests(folder)]
# Les autres se jouent sur l'atelier entier : `tests/embedded/test_katas.py`.
WITHOUT_STACK = [
    (folder, test) for folder, test in TESTS if not kata_runs.is_marked(kata_runs.tests(folder)[test], "stack")
]
SLOW = [(folder, test) for folder, test in WITHOUT_STACK if kata_runs.is_marked(kata_runs.tests(folder)[test], "slow")]


@pytest.mark.parametrize(("folder", "test"), WITHOUT_STACK)
def test_stub_is_red_because_it_is_not_done_yet(folder: str, test: str) -> None:
    """Sur le stub, chaque test est rouge, et son verdict dit « pas encore fait », jamais « à corriger »."""
    verdict = kata_runs.on_stub(folder)[test]

    assert verdict.startswith("pas encore fait · TODO"), verdict or "vert"


@pytest.mark.parametrize(("folder", "test"), [pair for pair in WITHOUT_STACK if pair not in SLOW])
def test_solution_is_green(folder: str, test: str) -> None:
    """Sur la solution, chaque test est vert, deux fois de suite et dans n'importe quel ordre."""
    verdicts = [outcome.verdict for outcome in kata_runs.on_solution(folder) if outcome.test == test]

    cases = len(verdicts) // 2 if kata_runs.has_cases(kata_runs.tests(folder)[test]) else 1
    assert cases > 0
    assert [""] * 2 * cases == verdicts


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "test"), SLOW)
def test_slow_test_is_green_on_the_solution(folder: str, test: str) -> None:
    """Les tests lents aussi sont verts sur la solution."""
    verdicts = [outcome.verdict for outcome in kata_runs.on_solution_slowly(folder) if outcome.test == test]

    assert verdicts
    assert {""} == set(verdicts)


@pytest.mark.parametrize(("folder", "number"), TODOS)
def test_todo_left_keeps_its_tests_red(folder: str, number: int) -> None:
    """Quand il ne reste que ce TODO, tous les tests qui le visent sont rouges, et il y en a."""
    verdicts = {outcome.test: outcome.verdict for outcome in kata_runs.with_one_todo_left(folder, number)}

    assert verdicts, f"aucun test ne vise le TODO {number}"
    assert [] == [test for test, verdict in verdicts.items() if not verdict]


@pytest.mark.parametrize(("folder", "number"), TODOS)
def test_todo_left_is_named(folder: str, number: int) -> None:
    """Chacun de ces verdicts nomme le TODO qui reste."""
    red = [outcome for outcome in kata_runs.with_one_todo_left(folder, number) if outcome.verdict]

    assert [] == [outcome for outcome in red if f"· TODO {number} ·" not in outcome.verdict]


@pytest.mark.parametrize(("folder", "test"), TESTS)
def test_kata_test_states_its_rule_and_its_todo(folder: str, test: str) -> None:
    """Un test de kata énonce sa règle et désigne un TODO qui existe."""
    node = kata_runs.tests(folder)[test]

    assert kata_runs.todo_of(node) in kata_runs.todos(folder)
    assert (ast.get_docstring(node) or "").split("\n")[0].endswith(".")


@pytest.mark.parametrize("folder", FOLDERS)
def test_readme_has_the_fixed_headings(folder: str) -> None:
    """Tous les README de katas ont les mêmes parties, dans le même ordre."""
    readme = (katas.ROOT / "katas" / folder / "README.md").read_text(encoding="utf-8")

    assert HEADINGS == re.findall(r"^## (.+)$", readme, flags=re.MULTILINE)


@pytest.mark.parametrize(("folder", "number"), TODOS)
def test_todo_has_hints(folder: str, number: int) -> None:
    """Chaque TODO a au moins deux indices, et le README dit ce qu'il demande."""
    readme = (katas.ROOT / "katas" / folder / "README.md").read_text(encoding="utf-8")

    assert len(hints(kata_in(folder), number)) >= MIN_HINTS
    assert f"**TODO {number}.**" in readme


@pytest.mark.parametrize("folder", FOLDERS)
def test_module_is_short_and_runs_as_a_script(folder: str) -> None:
    """Un module de kata tient sur un écran ou deux et finit par de quoi voir son run."""
    lines = _source(folder, "katas").read_text(encoding="utf-8").splitlines()
    top_level = [line for line in lines if line and not line.startswith((" ", "#", ")"))]

    assert len(lines) <= LONGEST_MODULE
    assert 'if __name__ == "__main__":' == top_level[-1]


def test_stubs_are_up_to_date() -> None:
    """Les stubs sont ceux que donne le générateur."""
    command = [sys.executable, "-m", "atelier.authoring.stubs", "--check"]
    check = subprocess.run(command, cwd=katas.ROOT, capture_output=True, text=True, encoding="utf-8", check=False)

    assert 0 == check.returncode, check.stdout + check.stderr


def test_katas_and_solutions_mirror_each_other() -> None:
    """À chaque kata sa solution, de même dossier et de même nom."""
    solutions = sorted(path.name for path in (katas.ROOT / "solutions").glob("[0-9]*"))

    assert FOLDERS == solutions
    assert all(_source(folder).is_file() and _source(folder, "katas").is_file() for folder in FOLDERS)


def test_module_names_are_unique() -> None:
    """Deux katas n'ont jamais le même module : pytest en testerait un à la place de l'autre."""
    names = [katas.module_name(folder) for folder in FOLDERS]

    assert len(names) == len(set(names))


def _source(folder: str, root: str = "solutions") -> Path:
    return katas.ROOT / root / folder / f"{katas.module_name(folder)}.py"
