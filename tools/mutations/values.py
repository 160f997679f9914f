"""Ce qu'un étudiant fait à tort d'une valeur juste : la tronquer, l'arrondir, la trier, n'en garder que le début."""

import ast
import re
from collections.abc import Iterator

from tools.mutations.solution import Alteration, Solution, become, filled, replace

TABLE = {"les cent premières lignes": "_.head(100)", "en ordre inverse": "_[::-1]", "arrondi": "_.round(1)"}
LIST = {"les deux premiers": "_[:2]", "le premier": "_[:1]", "trié": "sorted(_)", "en ordre inverse": "_[::-1]"}
FORMS = {
    "DataFrame": TABLE,
    "Series": TABLE | {"arrondi": "_.round(4)", "trié": "_.sort_values()"},
    "list": LIST,
    "dict": {"le premier": "dict(list(_.items())[:1])", "les deux premiers": "dict(list(_.items())[:2])"},
    "float": {"arrondi": "round(_, 2)", "entier": "int(_)"},
}
ROUNDED = {
    "list[float]": "[round(value, 1) for value in _]",
    "dict[str, float]": "{key: round(value, 2) for key, value in _.items()}",
}
ITERATIONS = {
    "le premier": "list(_)[:1]",
    "les deux premiers": "list(_)[:2]",
    "sans le dernier": "list(_)[:-1]",
    "en ordre inverse": "reversed(list(_))",
}
FIELD = re.compile(r"\{([^{}:!]+)\}")


def values(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    """Les changements possibles d'une valeur, là où elle sert."""
    if solution.is_written(node):
        yield from _change_used(node, solution)
        yield from _change_iterated(node)
        yield from _cut_texts(node, solution)
        yield from _keep_first(node)


def _change_used(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    """Une valeur rendue, gardée ou donnée à un appel."""
    match node:
        case ast.Return(value=ast.expr() as value):
            function = solution.enclosing(node)
            returned = ast.unparse(function.returns) if function and function.returns else ""
            for told, template in _forms(returned or solution.kind(value)):
                yield f"rend {ast.unparse(value)} {told}", lambda copied, t=template: replace(t)(copied.value)
        case ast.Assign(value=ast.Call() as value):
            for told, template in _forms(solution.kind(value)):
                yield f"garde {ast.unparse(value)} {told}", lambda copied, t=template: replace(t)(copied.value)
        case ast.Call(args=arguments, keywords=keywords):
            for argument in [*arguments, *(keyword.value for keyword in keywords)]:
                yield from _change_argument(node, argument, solution)
        case ast.Compare(left=left):
            for told, template in _forms(solution.kind(left)):
                yield f"compare {ast.unparse(left)} {told}", lambda copied, t=template: replace(t)(copied.left)


def _change_argument(call: ast.Call, argument: ast.expr, solution: Solution) -> Iterator[Alteration]:
    if not isinstance(argument, ast.Name | ast.Attribute | ast.Call):
        return
    places = [*call.args, *(keyword.value for keyword in call.keywords)]
    rank = places.index(argument)
    for told, template in _forms(solution.kind(argument)):

        def alter(copied: ast.AST, template: str = template) -> None:
            replace(template)([*copied.args, *(keyword.value for keyword in copied.keywords)][rank])

        yield f"{ast.unparse(call.func)} reçoit {ast.unparse(argument)} {told}", alter


def _forms(kind: str) -> Iterator[tuple[str, str]]:
    if kind in ROUNDED:
        yield "arrondi", ROUNDED[kind]
    for name, forms in FORMS.items():
        if kind.partition("[")[0].endswith(name):
            yield from forms.items()


def _change_iterated(node: ast.AST) -> Iterator[Alteration]:
    """Ce que l'on parcourt : le début seulement, ou dans un autre ordre."""
    if isinstance(node, ast.For):
        for told, template in ITERATIONS.items():
            yield f"parcourt {ast.unparse(node.iter)} {told}", lambda copied, t=template: replace(t)(copied.iter)
    for rank, generator in enumerate(getattr(node, "generators", [])):
        for told, template in ITERATIONS.items():
            yield (
                f"parcourt {ast.unparse(generator.iter)} {told}",
                lambda copied, rank=rank, t=template: replace(t)(copied.generators[rank].iter),
            )


def _cut_texts(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    match node:
        case ast.Call(func=ast.Name(id="str")):
            yield f"{ast.unparse(node)} coupé à 80 signes", replace("_[:80]")
        case ast.FormattedValue(value=value) if solution.kind(value).partition("[")[0] in ("dict", "list"):
            yield (
                f"{{{ast.unparse(value)}}} coupé à 80 signes",
                lambda copied: setattr(copied, "value", filled("str(_)[:80]", copied.value)),
            )
        case ast.Constant(value=str(text)):
            for field in FIELD.findall(text):
                if solution.kind(ast.parse(field.strip(), mode="eval").body) == "float":
                    other = text.replace(f"{{{field}}}", f"{{{field}:.2f}}")
                    yield f"{{{field}}} arrondi", lambda copied, other=other: setattr(copied, "value", other)


def _keep_first(node: ast.AST) -> Iterator[Alteration]:
    """De plusieurs éléments écrits, le premier seulement."""
    match node:
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=[first, *_])):
            change = f"{ast.unparse(node)} : seulement {ast.unparse(first)}"
            yield change, lambda copied: setattr(copied, "slice", copied.slice.elts[0])
        case ast.List(elts=[first, _, *_], ctx=ast.Load()) | ast.Set(elts=[first, _, *_]):
            yield f"seulement {ast.unparse(first)}", lambda copied: setattr(copied, "elts", copied.elts[:1])
        case ast.Dict(keys=[ast.expr() as first, _, *_]):
            yield f"seulement {ast.unparse(first)}", lambda copied: _cut_dict(copied)
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, ast.Tuple(elts=[first, _, *_])]):
            yield f"seulement {ast.unparse(first)}", lambda copied: become(copied.args[1], copied.args[1].elts[0])


def _cut_dict(node: ast.Dict) -> None:
    node.keys, node.values = node.keys[:1], node.values[:1]
