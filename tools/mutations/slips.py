"""Les étourderies : un opérateur pour un autre, une borne décalée, un argument ou une instruction oubliés."""

import ast
from collections.abc import Iterator

from tools.mutations.solution import Alteration, Solution, become, is_docstring, short

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
REMOVABLE = ast.Expr | ast.Assign | ast.If | ast.For | ast.Return
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "True": "False"}


def slips(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    """Les changements possibles d'un nœud ; une définition et un appel sont aussi jugés à leurs parties."""
    yield from _remove_decorators(node, solution)
    yield from _remove_keywords(node, solution)
    yield from _remove_statements(node, solution)
    if solution.is_written(node):
        yield from _change_values(node)
        yield from _change_logic(node)


def _remove_decorators(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    for rank, decorator in enumerate(getattr(node, "decorator_list", [])):
        if decorator.lineno in solution.lines:
            yield f"sans @{ast.unparse(decorator)}", lambda copied, rank=rank: copied.decorator_list.pop(rank)


def _remove_keywords(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    for rank, keyword in enumerate(getattr(node, "keywords", [])):
        if keyword.lineno in solution.lines:
            yield f"sans {ast.unparse(keyword)}", lambda copied, rank=rank: copied.keywords.pop(rank)


def _remove_statements(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    body = getattr(node, "body", None)
    for rank, statement in enumerate(body if isinstance(body, list) else []):
        if rank == 0 and is_docstring(statement):
            continue
        if statement.lineno in solution.lines and isinstance(statement, REMOVABLE):
            yield f"sans « {short(statement)} »", lambda copied, rank=rank: copied.body.__setitem__(rank, ast.Pass())


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
                yield change, lambda copied, rank=rank: become(copied, copied.values[rank])
        case ast.Call(func=function, args=[first, second, *_]) if ast.unparse(function) not in COMMUTATIVE:
            change = f"{ast.unparse(first)} et {ast.unparse(second)} échangés"
            yield change, lambda copied: copied.args.__setitem__(slice(0, 2), copied.args[1::-1])
        case ast.BinOp(op=operator):
            if other := OPERATORS.get(type(operator)):
                yield f"{type(operator).__name__} → {other.__name__}", lambda copied: setattr(copied, "op", other())
            for side in ("left", "right"):
                kept = ast.unparse(getattr(node, side))
                yield f"{ast.unparse(node)} → {kept}", lambda copied, side=side: become(copied, getattr(copied, side))
        case ast.If() | ast.IfExp():
            for value in (True, False):
                yield f"condition → {value}", lambda copied, value=value: setattr(copied, "test", ast.Constant(value))
        case ast.UnaryOp(op=ast.Not()):
            yield "sans not", lambda copied: become(copied, copied.operand)
