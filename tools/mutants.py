"""Abîme les solutions de mille petites façons : les tests des katas doivent le voir.

`python -m tools.mutants [NN_slug …]` : rend 1 si moins de 95 % des mutants d'un kata sont tués. Les outils généraux
(mutmut, cosmic-ray) mutent un paquet importé ; ici le module se charge par `--impl`, et seul compte ce que l'étudiant
écrit, entre les marques de la solution.
"""

import argparse
import ast
import copy
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from atelier.exercise.marks import BEGIN, END
from tests.helpers import katas

THRESHOLD = 0.95
WORKERS = 2
COMPARISONS = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.Pow: ast.Mult}
COMMUTATIVE = ("min", "max")
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "True": "False"}


@dataclass(frozen=True)
class Mutant:
    """Une solution abîmée à un endroit : la ligne, ce qui a changé, le texte complet."""

    line: int
    change: str
    source: str


def main(arguments: Sequence[str]) -> int:
    """Joue les mutants des katas demandés ; rend 1 si trop survivent."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description="Les tests voient-ils les erreurs ?")
    parser.add_argument("katas", nargs="*", metavar="NN_slug", help="les katas à juger (tous par défaut)")
    parser.add_argument("--most", type=int, metavar="N", help="N mutants par kata, pris à intervalles réguliers")
    options = parser.parse_args(arguments)
    results = [_score(folder, options.most) for folder in (options.katas or katas.kata_folders())]
    return 0 if all(results) else 1


def mutants(source: str) -> list[Mutant]:
    """Tous les mutants d'une solution, sans doublon : un seul changement chacun, entre les marques."""
    tree = ast.parse(source)
    lines = _solution_lines(source)
    found: dict[str, Mutant] = {}
    docstrings = _docstrings(tree)
    for index, node in enumerate(ast.walk(tree)):
        if node in docstrings:
            continue
        for change, alter in _alterations(node, lines):
            mutated = copy.deepcopy(tree)
            alter(_nth(mutated, index))
            text = ast.unparse(ast.fix_missing_locations(mutated)) + "\n"
            found.setdefault(text, Mutant(getattr(node, "lineno", 0), change, text))
    found.pop(ast.unparse(tree) + "\n", None)
    return sorted(found.values(), key=lambda mutant: (mutant.line, mutant.change))


def _score(folder: str, most: int | None) -> bool:
    module = katas.module_name(folder)
    candidates = _sample(mutants(katas.solution_file(folder).read_text(encoding="utf-8")), most)
    with ThreadPoolExecutor(WORKERS) as pool:
        killed = list(pool.map(lambda mutant: _is_killed(folder, module, mutant), candidates))
    survivors = [mutant for mutant, dead in zip(candidates, killed, strict=True) if not dead]
    rate = 1 - len(survivors) / max(len(candidates), 1)
    print(f"{folder} : {len(candidates) - len(survivors)} mutants tués sur {len(candidates)} ({rate:.0%})", flush=True)
    for mutant in survivors:
        print(f"  survit, ligne {mutant.line} : {mutant.change}", flush=True)
    # Dans un petit échantillon, un seul mutant équivalent à la solution passerait déjà le seuil.
    return bool(candidates) and (rate >= THRESHOLD or (most is not None and len(survivors) == 1))


def _sample(candidates: list[Mutant], most: int | None) -> list[Mutant]:
    step = max(1, -(-len(candidates) // most)) if most else 1
    return candidates[::step]


def _is_killed(folder: str, module: str, mutant: Mutant) -> bool:
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory, folder, f"{module}.py")
        target.parent.mkdir()
        target.write_text(mutant.source, encoding="utf-8")
        run = katas.pytest_katas(katas.test_file(folder), "-m", "not stack and not slow", "--impl", directory, "-x")
    if run.code not in (0, 1) or "environnement en panne" in run.output:
        raise SystemExit(f"{folder} : pytest n'a pas pu juger un mutant\n{run.output}")
    return run.code == 1


def _solution_lines(source: str) -> set[int]:
    inside, lines = False, set()
    for number, line in enumerate(source.splitlines(), start=1):
        if line.strip() == BEGIN:
            inside = True
        elif line.strip() == END:
            inside = False
        elif inside:
            lines.add(number)
    return lines


Alteration = tuple[str, Callable[[ast.AST], None]]


def _alterations(node: ast.AST, lines: set[int]) -> Iterator[Alteration]:
    """Les changements possibles d'un nœud ; une définition et un appel sont aussi jugés à leurs parties."""
    yield from _remove_decorators(node, lines)
    yield from _remove_keywords(node, lines)
    yield from _remove_statements(node, lines)
    if getattr(node, "lineno", 0) not in lines:
        return
    yield from _change_values(node)
    yield from _change_logic(node)


def _docstrings(tree: ast.AST) -> set[ast.AST]:
    """Les docstrings : ce qu'elles disent n'est pas un comportement."""
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return {body[0].value for body in bodies if _is_text(body[0])}


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _remove_decorators(node: ast.AST, lines: set[int]) -> Iterator[Alteration]:
    for rank, decorator in enumerate(getattr(node, "decorator_list", [])):
        if decorator.lineno in lines:
            yield f"sans @{ast.unparse(decorator)}", lambda copied, rank=rank: copied.decorator_list.pop(rank)


def _remove_keywords(node: ast.AST, lines: set[int]) -> Iterator[Alteration]:
    for rank, keyword in enumerate(getattr(node, "keywords", [])):
        if keyword.lineno in lines:
            yield f"sans {ast.unparse(keyword)}", lambda copied, rank=rank: copied.keywords.pop(rank)


def _remove_statements(node: ast.AST, lines: set[int]) -> Iterator[Alteration]:
    body = getattr(node, "body", None)
    for rank, statement in enumerate(body if isinstance(body, list) else []):
        if rank == 0 and _is_text(statement):
            continue
        if statement.lineno in lines and isinstance(statement, ast.Expr | ast.Assign | ast.If | ast.For | ast.Return):
            text = ast.unparse(statement).splitlines()[0]
            yield f"sans « {text} »", lambda copied, rank=rank: copied.body.__setitem__(rank, ast.Pass())


def _change_values(node: ast.AST) -> Iterator[Alteration]:
    match node:
        case ast.Constant(value=bool(value)):
            yield f"{value} → {not value}", lambda copied: setattr(copied, "value", not value)
        case ast.Constant(value=int(value) | float(value)):
            for other in dict.fromkeys((value + 1, value - 1, value * 2)):
                yield f"{value} → {other}", lambda copied, other=other: setattr(copied, "value", other)
        case ast.Constant(value=str(value)):
            yield f"{value!r} → {value + 'x'!r}", lambda copied: setattr(copied, "value", value + "x")
        case ast.Name(id=name) if name in NAMES:
            yield f"{name} → {NAMES[name]}", lambda copied: setattr(copied, "id", NAMES[name])
        case ast.Return(value=ast.expr()):
            yield "rend None", lambda copied: setattr(copied, "value", ast.Constant(None))


def _change_logic(node: ast.AST) -> Iterator[Alteration]:
    match node:
        case ast.Compare(ops=[operator]):
            for other in COMPARISONS[type(operator)]:
                change = f"{type(operator).__name__} → {other.__name__}"
                yield change, lambda copied, other=other: setattr(copied, "ops", [other()])
        case ast.BoolOp(op=operator):
            other = ast.Or if isinstance(operator, ast.And) else ast.And
            yield f"{type(operator).__name__} → {other.__name__}", lambda copied: setattr(copied, "op", other())
            for rank, operand in enumerate(node.values):
                change = f"seulement {ast.unparse(operand)}"
                yield change, lambda copied, rank=rank: _become(copied, copied.values[rank])
        case ast.Call(func=function, args=[first, second, *_]) if ast.unparse(function) not in COMMUTATIVE:
            change = f"{ast.unparse(first)} et {ast.unparse(second)} échangés"
            yield change, lambda copied: copied.args.__setitem__(slice(0, 2), copied.args[1::-1])
        case ast.BinOp(op=operator):
            if other := OPERATORS.get(type(operator)):
                yield f"{type(operator).__name__} → {other.__name__}", lambda copied: setattr(copied, "op", other())
            for side in ("left", "right"):
                kept = ast.unparse(getattr(node, side))
                yield f"{ast.unparse(node)} → {kept}", lambda copied, side=side: _become(copied, getattr(copied, side))
        case ast.If() | ast.IfExp():
            for value in (True, False):
                yield f"condition → {value}", lambda copied, value=value: setattr(copied, "test", ast.Constant(value))
        case ast.UnaryOp(op=ast.Not()):
            yield "sans not", lambda copied: _become(copied, copied.operand)


def _become(node: ast.AST, other: ast.AST) -> None:
    """Change un nœud en un autre, sur place : son parent n'a pas à le savoir."""
    node.__class__ = other.__class__
    node.__dict__ = other.__dict__


def _nth(tree: ast.AST, index: int) -> ast.AST:
    return next(node for rank, node in enumerate(ast.walk(tree)) if rank == index)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
