"""La règle mal comprise : réduite aux valeurs des tests ou à l'exemple du README, ou élargie à ce qu'elle exclut."""

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

from tools.mutations.solution import Alteration, Solution, become, filled, replace

NEIGHBOURS = (0, 2, 3, 4)
LIMITS = {"gt": "ge", "ge": "gt", "lt": "le", "le": "lt"}
TYPES = {"int": "float", "float": "int"}
INLINE_CODE, QUOTED = re.compile(r"`([^`]+)`"), re.compile(r"« ?([^»]+?) ?»")
FIELD = re.compile(r"\\\{.+?\\\}")
TOO_BROAD = (object, BaseException)


def rules(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    """Les changements possibles d'une condition, d'un type, d'une limite ou d'une valeur rendue."""
    if solution.is_written(node):
        yield from _change_condition(node)
        yield from _change_class(node, solution)
        yield from _change_declaration(node)
        yield from _copy_readme(node, solution)
        yield from _fix_argument(node, solution)


def _change_condition(node: ast.AST) -> Iterator[Alteration]:
    match node:
        case ast.Compare(
            left=left, ops=[ast.GtE() | ast.Gt() as operator], comparators=[ast.Constant(value=int(value))]
        ):
            if value >= 100:
                first = value + isinstance(operator, ast.Gt)
                few = tuple(first + more for more in NEIGHBOURS)
                yield f"seulement {', '.join(map(str, few))}", _compared(f"_ in {few}")
                yield f"au moins {value - 100}", _compared(f"_ >= {value - 100}")
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[ast.Constant(value=int(value))]):
            yield f"au moins {value}", _compared(f"_ >= {value}")
            yield f"au plus {value}", _compared(f"_ <= {value}")
            root = ast.unparse(left).partition(".")[0]
            if "." in ast.unparse(left):
                yield f"« {value} » dans le texte de {root}", _rewritten(f"'{value}' in str({root})")
        case ast.Call(func=ast.Name(id="isinstance"), args=[value, classes]):
            names = [ast.unparse(name) for name in _classes(classes)]
            exact = f"type({ast.unparse(value)}) in ({', '.join(names)},)"
            yield f"type exact : {', '.join(names)}", _rewritten(exact)
            words = " or ".join(f"'{name.rpartition('.')[2]}' in repr({ast.unparse(value)})" for name in names)
            yield f"reconnu à son texte : {', '.join(names)}", _rewritten(words)


def _compared(template: str) -> Callable[[ast.AST], None]:
    """De quoi remettre ce qu'une comparaison compare dans une autre."""
    return lambda copied: become(copied, filled(template, copied.left))


def _rewritten(text: str) -> Callable[[ast.AST], None]:
    return lambda copied: become(copied, ast.parse(text, mode="eval").body)


def _change_class(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    """La classe d'une erreur : celle dont elle hérite, ou quelques-unes de celles qui en héritent."""
    match node:
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, classes]):
            for name in _classes(classes):
                if parent := _parent(ast.unparse(name), solution):
                    rank = list(ast.walk(classes)).index(name)
                    yield (
                        f"{ast.unparse(name)} élargi à {parent}",
                        lambda copied, rank=rank, parent=parent: _rewritten(parent)(
                            list(ast.walk(copied.args[1]))[rank]
                        ),
                    )
        case ast.ExceptHandler(type=ast.expr() as caught):
            name = ast.unparse(caught)
            if name == "Exception":
                yield (
                    "n'attrape que ValueError et TypeError",
                    lambda copied: _rewritten("(ValueError, TypeError)")(copied.type),
                )
            else:
                yield f"{name} élargi à Exception", lambda copied: _rewritten("Exception")(copied.type)


def _classes(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.BinOp(op=ast.BitOr()):
            return [*_classes(node.left), *_classes(node.right)]
        case ast.Tuple(elts=classes):
            return classes
    return [node]


def _parent(name: str, solution: Solution) -> str:
    found = solution.resolve(name)
    if not isinstance(found, type) or found.__mro__[1] in TOO_BROAD:
        return ""
    parent, module = found.__mro__[1].__name__, name.rpartition(".")[0]
    same_module = f"{module}.{parent}" if module else parent
    return next((known for known in (same_module, parent) if solution.resolve(known) is found.__mro__[1]), "")


def _change_declaration(node: ast.AST) -> Iterator[Alteration]:
    match node:
        case ast.keyword(arg=name) if name in LIMITS:
            yield f"{name} → {LIMITS[name]}", lambda copied: setattr(copied, "arg", LIMITS[name])
        case ast.AnnAssign(annotation=ast.Name(id=name)) if name in TYPES:
            yield f"{name} → {TYPES[name]}", lambda copied: setattr(copied.annotation, "id", TYPES[name])
        case ast.AnnAssign(annotation=ast.Subscript(value=ast.Name(id="Literal"))):
            yield "n'importe quel texte", lambda copied: setattr(copied, "annotation", ast.Name("str"))


def _copy_readme(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    """L'exemple du README, à la place de ce qui le calcule."""
    match node:
        case ast.Return(value=ast.expr()):
            function = solution.enclosing(node)
            returned = ast.unparse(function.returns).partition("[")[0] if function and function.returns else ""
            for text, value in _readme_values(solution.readme):
                if type(value).__name__ == returned:
                    yield f"rend l'exemple du README, {text}", lambda copied, text=text: _rewritten(text)(copied.value)
        case ast.Constant(value=str(text)) if "{" in text:
            for example in _examples(text, solution.readme):
                yield f"l'exemple du README, {example!r}", lambda copied, e=example: setattr(copied, "value", e)


def _readme_values(readme: str) -> Iterator[tuple[str, object]]:
    for text in dict.fromkeys(INLINE_CODE.findall(readme)):
        with suppress(ValueError, SyntaxError):
            yield text, ast.literal_eval(text)


def _examples(template: str, readme: str) -> list[str]:
    pattern = FIELD.sub(".+", re.escape(template))
    quoted = [" ".join(text.split()) for text in QUOTED.findall(readme)]
    return [text for text in dict.fromkeys(quoted) if re.fullmatch(pattern, text)]


def _fix_argument(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    """Un paramètre ignoré, au profit de sa valeur par défaut ou de celles des tests."""
    function = solution.enclosing(node)
    if function is None or not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return
    arguments = function.args.args
    defaults = dict(zip([argument.arg for argument in arguments[::-1]], function.args.defaults[::-1], strict=False))
    if node.id in defaults:
        default = ast.unparse(defaults[node.id])
        yield f"{node.id} → son défaut, {default}", replace(default)
    if node.id in [argument.arg for argument in arguments]:
        for value in _tested(function, node.id, solution.tests):
            yield f"{node.id} → {value}, la valeur d'un test", replace(value)


def _tested(function: ast.FunctionDef, name: str, tests: str) -> list[str]:
    """Les valeurs écrites que les tests donnent à ce paramètre."""
    rank, found = [argument.arg for argument in function.args.args].index(name), []
    for call in [node for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.Call)]:
        given = call.args if ast.unparse(call.func) == "run" else [call.func, *call.args]
        if given and ast.unparse(given[0]) == f"kata.{function.name}" and rank + 1 < len(given):
            with suppress(ValueError):
                found.append(repr(ast.literal_eval(given[rank + 1])))
    return list(dict.fromkeys(found))
