"""Les mutants d'une solution : un seul changement chacun, dans ce que l'étudiant écrit."""

import ast
import copy
from collections import Counter
from dataclasses import dataclass

from tools.mutations.memory import HELPERS, KEPT, memory
from tools.mutations.rules import rules
from tools.mutations.slips import slips
from tools.mutations.solution import Solution, is_docstring
from tools.mutations.values import values

OPERATORS = (slips, memory, rules, values)
# Ce dont un changement peut avoir besoin, et que la solution n'a pas.
NEEDED = {name: code for name, (_, code) in HELPERS.items()} | {KEPT: f"{KEPT} = {{}}", "functools": "import functools"}
LONGEST = 110


@dataclass(frozen=True)
class Mutant:
    """Une solution abîmée à un endroit : son nom, qui dit la ligne et ce qui a changé, et le texte complet."""

    line: int
    change: str
    source: str
    rank: int = 1

    @property
    def name(self) -> str:
        """La ligne et le changement, et un rang si une même ligne le connaît deux fois."""
        return f"ligne {self.line} : {self.change}" + (f" ({self.rank})" if self.rank > 1 else "")


def mutants(source: str, readme: str = "", tests: str = "") -> list[Mutant]:
    """Tous les mutants d'une solution, sans doublon : un seul changement chacun, entre les marques."""
    solution = Solution(source, readme, tests)
    found: dict[str, Mutant] = {}
    docstrings = _docstrings(solution.tree)
    for index, node in enumerate(ast.walk(solution.tree)):
        if node in docstrings:
            continue
        for operator in OPERATORS:
            for change, alter in operator(node, solution):
                mutated = copy.deepcopy(solution.tree)
                alter(_nth(mutated, index))
                text = _complete(mutated)
                told = change if len(change) <= LONGEST else f"{change[:LONGEST]}…"
                found.setdefault(text, Mutant(getattr(node, "lineno", 0), told, text))
    found.pop(ast.unparse(solution.tree) + "\n", None)
    return _ranked(sorted(found.values(), key=lambda mutant: (mutant.line, mutant.change)))


def _ranked(found: list[Mutant]) -> list[Mutant]:
    seen: Counter[tuple[int, str]] = Counter()
    ranked = []
    for mutant in found:
        seen[mutant.line, mutant.change] += 1
        ranked.append(Mutant(mutant.line, mutant.change, mutant.source, seen[mutant.line, mutant.change]))
    return ranked


def _complete(tree: ast.Module) -> str:
    """Le texte du mutant, avec ce que son changement demande en tête de module."""
    imported = {alias.asname or alias.name for node in tree.body for alias in getattr(node, "names", [])}
    last = max(
        (rank for rank, node in enumerate(tree.body) if isinstance(node, ast.Import | ast.ImportFrom)), default=-1
    )
    for name, code in NEEDED.items():
        if name not in imported and any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree)):
            tree.body[last + 1 : last + 1] = ast.parse(code).body
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _docstrings(tree: ast.AST) -> set[ast.AST]:
    """Les docstrings : ce qu'elles disent n'est pas un comportement."""
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return {body[0].value for body in bodies if is_docstring(body[0])}


def _nth(tree: ast.AST, index: int) -> ast.AST:
    return next(node for rank, node in enumerate(ast.walk(tree)) if rank == index)
