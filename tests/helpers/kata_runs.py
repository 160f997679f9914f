"""Les grands essais d'un kata : stub, solution, un TODO qui reste, réponses fausses. Chacun n'est joué qu'une fois."""

import ast
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from atelier.exercise.marks import make_stub, todo_sites
from tests.helpers import katas

STUBS = katas.ROOT / "katas"
WRONG_ANSWERS = sorted(katas.MISCONCEPTIONS.glob("*/*.py"))
RIGHT_ANSWERS = sorted(katas.ACCEPTED.glob("*/*.py"))
HEADER = re.compile(r"# tué par : (?P<test>test_\w+)\n# message : (?P<message>.+)\n\"\"\"(?P<why>.+)\"\"\"\n")


@dataclass(frozen=True)
class Outcome:
    """Le résultat d'un test de kata : `verdict` est vide s'il est vert."""

    test: str
    implementation: str
    verdict: str


@dataclass(frozen=True)
class Played:
    """Une session de pytest : ce qu'elle affiche, et le résultat de chaque test."""

    run: katas.PytestRun
    outcomes: list[Outcome]


@cache
def tests(folder: str) -> dict[str, ast.FunctionDef]:
    """Les tests d'un kata."""
    tree = ast.parse(katas.test_file(folder).read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name: node for node in functions if node.name.startswith("test_")}


def is_marked(test: ast.FunctionDef, *names: str) -> bool:
    """Dit si ce test porte l'un de ces marqueurs."""
    return any(f"pytest.mark.{name}" in map(ast.unparse, test.decorator_list) for name in names)


def has_cases(test: ast.FunctionDef) -> bool:
    """Dit si ce test en est plusieurs."""
    return any(ast.unparse(node).startswith("pytest.mark.parametrize(") for node in test.decorator_list)


def todo_of(test: ast.FunctionDef) -> int | None:
    """Le TODO que vise ce test."""
    calls = [node for node in test.decorator_list if isinstance(node, ast.Call)]
    numbers = [ast.literal_eval(call.args[0]) for call in calls if ast.unparse(call.func) == "pytest.mark.todo"]
    return numbers[0] if numbers else None


@cache
def todos(folder: str) -> list[int]:
    """Les TODO d'un kata."""
    return sorted(todo_sites(katas.solution_file(folder).read_text(encoding="utf-8")))


@cache
def on_stub(folder: str) -> dict[str, str]:
    """Le verdict de chaque test sur le stub."""
    several = [f"{katas.test_file(folder)}::{name}" for name, test in tests(folder).items() if has_cases(test)]
    outcomes = _outcomes(*several, "-m", "not stack") if several else []
    outcomes += [outcome for outcome in must_be_red(folder).outcomes if outcome.implementation == STUBS.name]
    return {outcome.test: outcome.verdict for outcome in outcomes}


@cache
def on_solution(folder: str) -> list[Outcome]:
    """Chaque test deux fois, dans le désordre : ni l'ordre ni une première fois ne doivent compter."""
    twice = ["--impl", "solutions", "--impl", "solutions"]
    order = ["-p", "random_order.plugin", "--random-order-seed=2026", "--random-order-bucket=global"]
    return _outcomes(katas.test_file(folder), "-m", "not stack and not slow", *twice, *order)


@cache
def on_solution_slowly(folder: str) -> list[Outcome]:
    """Les tests lents, sur la solution."""
    return _outcomes(katas.test_file(folder), "--solutions", "-m", "slow")


def with_one_todo_left(folder: str, number: int) -> list[Outcome]:
    """Les tests qui visent ce TODO, quand il est le seul à rester.

    Ceux de la boucle de l'étudiant : un test lent ne fait que les répéter, plus en détail.
    """
    return [outcome for outcome in must_be_red(folder).outcomes if outcome.implementation == _left(number)]


def on_wrong_answers(folder: str) -> katas.PytestRun:
    """Toutes les réponses fausses d'un kata, chacune contre le seul test qui doit la refuser."""
    return must_be_red(folder).run


@cache
def must_be_red(folder: str) -> Played:
    """Le stub, la solution où un TODO reste, les réponses fausses : une seule session de pytest."""
    file, wrong = katas.test_file(folder), [file for file in WRONG_ANSWERS if file.parent.name == folder]
    solution = katas.solution_file(folder).read_text(encoding="utf-8")
    single = {name: test for name, test in tests(folder).items() if not has_cases(test)}
    quick = {name: test for name, test in single.items() if not is_marked(test, "stack", "slow")}
    chosen = [f"{file}::{name}[{STUBS.name}]" for name, test in single.items() if not is_marked(test, "stack")]
    with TemporaryDirectory() as directory:
        options: list[str | Path] = ["--impl", STUBS]
        for number in todos(folder):
            options += _written(make_stub(solution, left={number}), folder, Path(directory, _left(number)))
            chosen += [f"{file}::{name}[{_left(number)}]" for name, test in quick.items() if todo_of(test) == number]
        options += _copies(wrong, Path(directory))
        return _play(*chosen, *(f"{file}::{case_of(answer)}" for answer in wrong), "-m", "not stack", *options)


@cache
def on_right_answers(folder: str) -> list[Outcome]:
    """Toutes les réponses justes d'un kata, chacune contre tous ses tests, défis à part."""
    with TemporaryDirectory() as directory:
        options = _copies([file for file in RIGHT_ANSWERS if file.parent.name == folder], Path(directory))
        return _outcomes(katas.test_file(folder), "-m", "not stack and not slow and not bonus", *options)


def play_wrong_answer(file: Path) -> katas.PytestRun:
    """Joue cette réponse fausse, seule."""
    with TemporaryDirectory() as directory:
        chosen = f"{katas.test_file(file.parent.name)}::{case_of(file, alone=True)}"
        return katas.play(chosen, "-m", "not stack", *katas.PATIENT, *_copies([file], Path(directory)))


def case_of(file: Path, *, alone: bool = False) -> str:
    """Le test qui doit refuser cette réponse, suivi du nom du dossier testé quand il y en a plusieurs."""
    return header_of(file)["test"] + ("" if alone else f"[{file.stem}]")


def header_of(file: Path) -> re.Match[str]:
    """Ce que dit l'en-tête d'une réponse fausse."""
    header = HEADER.match(file.read_text(encoding="utf-8"))
    assert header, f"{file} doit commencer par « # tué par : », « # message : » et une ligne qui dit l'erreur"
    return header


def _copies(files: Sequence[Path], directory: Path) -> list[str | Path]:
    """Range chaque réponse dans un dossier à son nom ; rend de quoi les jouer toutes."""
    return [
        option
        for file in files
        for option in _written(file.read_text(encoding="utf-8"), file.parent.name, directory / file.stem)
    ]


def _written(source: str, folder: str, implementation: Path) -> list[str | Path]:
    """Écrit ce module dans un dossier de même forme que `katas/` ; rend de quoi le jouer."""
    module = implementation / folder / f"{katas.module_name(folder)}.py"
    module.parent.mkdir(parents=True)
    module.write_text(source, encoding="utf-8")
    return ["--impl", implementation]


def _left(number: int) -> str:
    return f"todo_{number}"


def _outcomes(*arguments: str | Path) -> list[Outcome]:
    """Joue ces tests d'un kata."""
    return _play(*arguments).outcomes


def _play(*arguments: str | Path) -> Played:
    with TemporaryDirectory() as directory:
        report = Path(directory, "report.xml")
        run = katas.play(*arguments, *katas.PATIENT, f"--junitxml={report}")
        assert report.exists(), run.output
        return Played(run, list(_read(report)))


def _read(report: Path) -> Iterator[Outcome]:
    for case in ElementTree.parse(report).iter("testcase"):
        test, _, implementation = case.attrib["name"].partition("[")
        reasons = [case.find(kind) for kind in ("failure", "error", "skipped")]
        verdict = next(((reason.text or "?") for reason in reasons if reason is not None), "")
        yield Outcome(test, implementation.rstrip("]"), verdict)
