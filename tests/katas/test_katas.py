"""Chaque kata tient ce qu'il promet : rouge au départ, vert à la fin, un TODO après l'autre."""

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from atelier.exercise.kata import kata_in
from atelier.exercise.marks import make_stub, todo_sites
from atelier.feedback.course import hints
from tests.helpers import katas

HEADINGS = ["But", "Pourquoi", "À faire", "Vérifier", "Voir", "Indices", "Pour aller plus loin"]
LONGEST_MODULE = 80
MIN_HINTS = 2
FOLDERS = katas.kata_folders()


@dataclass(frozen=True)
class Outcome:
    """Le résultat d'un test de kata : `verdict` est vide s'il est vert."""

    folder: str
    test: str
    implementation: str
    verdict: str


def _source(folder: str, root: str = "solutions") -> Path:
    return katas.ROOT / root / folder / f"{katas.module_name(folder)}.py"


def _todos(folder: str) -> list[int]:
    return sorted(todo_sites(_source(folder).read_text(encoding="utf-8")))


def _tests(folder: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(katas.test_file(folder).read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name: node for node in functions if node.name.startswith("test_")}


def _is_marked(test: ast.FunctionDef, *names: str) -> bool:
    return any(f"pytest.mark.{name}" in map(ast.unparse, test.decorator_list) for name in names)


def _has_cases(test: ast.FunctionDef) -> bool:
    return any(ast.unparse(node).startswith("pytest.mark.parametrize(") for node in test.decorator_list)


def _tests_of(folder: str, number: int) -> list[str]:
    """Ceux de la boucle de l'étudiant : un test lent ne fait que les répéter, plus en détail."""
    tests = _tests(folder).items()
    return [name for name, test in tests if _todo_of(test) == number and not _is_marked(test, "stack", "slow")]


def _todo_of(test: ast.FunctionDef) -> int | None:
    calls = [node for node in test.decorator_list if isinstance(node, ast.Call)]
    numbers = [ast.literal_eval(call.args[0]) for call in calls if ast.unparse(call.func) == "pytest.mark.todo"]
    return numbers[0] if numbers else None


def _outcomes(report: Path) -> Iterator[Outcome]:
    for case in ElementTree.parse(report).iter("testcase"):
        test, _, implementation = case.attrib["name"].partition("[")
        reasons = [case.find(kind) for kind in ("failure", "error", "skipped")]
        verdict = next(((reason.text or "?") for reason in reasons if reason is not None), "")
        yield Outcome(case.attrib["classname"].split(".")[1], test, implementation.rstrip("]"), verdict)


TODOS = [(folder, number) for folder in FOLDERS for number in _todos(folder)]
TESTS = [(folder, test) for folder in FOLDERS for test in _tests(folder)]
# Les autres se jouent dans `test_stack.py`, sur l'atelier entier.
WITHOUT_STACK = [(folder, test) for folder, test in TESTS if not _is_marked(_tests(folder)[test], "stack")]
SLOW = [(folder, test) for folder, test in WITHOUT_STACK if _is_marked(_tests(folder)[test], "slow")]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Outcome]]:
    """Joue tous les katas en une fois et rend le résultat de chaque test."""

    def play(*arguments: str | Path, tests: Iterable[str] = ("katas",)) -> list[Outcome]:
        report = tmp_path_factory.mktemp("report") / "report.xml"
        run = katas.pytest_katas(*tests, "-m", "not stack", *katas.PATIENT, f"--junitxml={report}", *arguments)
        assert report.exists(), run.output
        return list(_outcomes(report))

    return play


@pytest.fixture(scope="module")
def on_stubs(play: Callable[..., list[Outcome]]) -> dict[tuple[str, str], Outcome]:
    return {(outcome.folder, outcome.test): outcome for outcome in play()}


@pytest.fixture(scope="module")
def on_solutions(play: Callable[..., list[Outcome]]) -> list[Outcome]:
    """Chaque test deux fois, dans le désordre : ni l'ordre ni une première fois ne doivent compter."""
    twice = ["--impl", "solutions", "--impl", "solutions"]
    order = ["-p", "random_order.plugin", "--random-order-seed=2026", "--random-order-bucket=global"]
    return play(*twice, *order, "-m", "not stack and not slow")


@pytest.fixture(scope="module")
def on_slow_solutions(play: Callable[..., list[Outcome]]) -> list[Outcome]:
    return play("--solutions", "-m", "slow")


@pytest.fixture(scope="module")
def on_one_todo_left(
    play: Callable[..., list[Outcome]], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, int], list[Outcome]]:
    """Pour chaque TODO, les tests qui le visent quand il est le seul à rester."""
    root = tmp_path_factory.mktemp("todos")
    for folder, number in TODOS:
        file = root / str(number) / folder / f"{katas.module_name(folder)}.py"
        file.parent.mkdir(parents=True)
        file.write_text(make_stub(_source(folder).read_text(encoding="utf-8"), left={number}), encoding="utf-8")
    impls = [argument for variant in sorted(root.iterdir()) for argument in ("--impl", variant)]
    tests = [
        f"{katas.test_file(folder)}::{test}[{number}]" for folder, number in TODOS for test in _tests_of(folder, number)
    ]
    outcomes = play(*impls, tests=tests)
    return {
        (folder, number): [
            outcome for outcome in outcomes if (outcome.folder, outcome.implementation) == (folder, str(number))
        ]
        for folder, number in TODOS
    }


@pytest.mark.parametrize(("folder", "test"), WITHOUT_STACK)
def test_stub_is_red_because_it_is_not_done_yet(folder: str, test: str, on_stubs: dict) -> None:
    """Sur le stub, chaque test est rouge, et son verdict dit « pas encore fait », jamais « à corriger »."""
    verdict = on_stubs[folder, test].verdict

    assert verdict.startswith("pas encore fait · TODO"), verdict or "vert"


@pytest.mark.parametrize(("folder", "test"), [pair for pair in WITHOUT_STACK if pair not in SLOW])
def test_solution_is_green(folder: str, test: str, on_solutions: list[Outcome], play: Callable) -> None:
    """Sur la solution, chaque test est vert, deux fois de suite et dans n'importe quel ordre."""
    verdicts = [outcome.verdict for outcome in on_solutions if (outcome.folder, outcome.test) == (folder, test)]
    if any(map(katas.is_outage, verdicts)):
        again = play("--impl", "solutions", "--impl", "solutions", tests=[f"{katas.test_file(folder)}::{test}"])
        verdicts = [outcome.verdict for outcome in again]

    cases = len(verdicts) // 2 if _has_cases(_tests(folder)[test]) else 1
    assert cases > 0
    assert [""] * 2 * cases == verdicts


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "test"), SLOW)
def test_slow_test_is_green_on_the_solution(folder: str, test: str, on_slow_solutions: list[Outcome]) -> None:
    """Les tests lents aussi sont verts sur la solution."""
    verdicts = [outcome.verdict for outcome in on_slow_solutions if (outcome.folder, outcome.test) == (folder, test)]

    assert verdicts
    assert {""} == set(verdicts)


@pytest.mark.parametrize(("folder", "number"), TODOS)
def test_todo_left_keeps_its_tests_red(folder: str, number: int, on_one_todo_left: dict) -> None:
    """Quand il ne reste que ce TODO, tous les tests qui le visent sont rouges, et il y en a."""
    verdicts = {outcome.test: outcome.verdict for outcome in on_one_todo_left[folder, number]}

    assert verdicts, f"aucun test ne vise le TODO {number}"
    assert [] == [test for test, verdict in verdicts.items() if not verdict]


@pytest.mark.parametrize(("folder", "number"), TODOS)
def test_todo_left_is_named(folder: str, number: int, on_one_todo_left: dict) -> None:
    """Chacun de ces verdicts nomme le TODO qui reste."""
    red = [outcome for outcome in on_one_todo_left[folder, number] if outcome.verdict]

    assert [] == [outcome for outcome in red if f"· TODO {number} ·" not in outcome.verdict]


@pytest.mark.parametrize(("folder", "test"), TESTS)
def test_kata_test_states_its_rule_and_its_todo(folder: str, test: str) -> None:
    """Un test de kata énonce sa règle et désigne un TODO qui existe."""
    node = _tests(folder)[test]

    assert _todo_of(node) in _todos(folder)
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
