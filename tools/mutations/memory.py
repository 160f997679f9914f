"""Ce qu'un étudiant garde ou cache à tort : une erreur avalée, un résultat retenu, un défaut partagé."""

import ast
from collections.abc import Iterator

from tools.mutations.solution import Alteration, Solution, become, filled, is_docstring, short, without_inner_functions

KEPT = "KEPT"
EMPTY = {"dict": "{}", "list": "[]", "str": "''", "float": "0.0", "int": "0", "bool": "False", "tuple": "({}, {})"}
UNHASHABLE = ("DataFrame", "Series", "list", "dict")


# Des décorateurs de trop, pour une fonction dont l'étudiant n'écrit que le décorateur ou les paramètres.
HELPERS = {
    "swallowing": (
        "avale toutes les erreurs",
        """
def swallowing(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except Exception:
            return None
    return call
""",
    ),
    "remembering": (
        "garde son premier résultat",
        f"""
def remembering(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        if function not in {KEPT}:
            {KEPT}[function] = function(*args, **kwargs)
        return {KEPT}[function]
    return call
""",
    ),
    "remembering_texts": (
        "garde ses résultats, par le texte de ses arguments",
        f"""
def remembering_texts(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        key = str((function, args, kwargs))
        if key not in {KEPT}:
            {KEPT}[key] = function(*args, **kwargs)
        return {KEPT}[key]
    return call
""",
    ),
}


def memory(node: ast.AST, solution: Solution) -> Iterator[Alteration]:
    """Les changements possibles d'une fonction que l'étudiant écrit, et de ses instructions."""
    if isinstance(node, ast.stmt) and solution.is_written(node) and solution.enclosing(node) not in (None, node):
        yield from _swallow(node, solution)
        yield from _remember_value(node)
    if isinstance(node, ast.FunctionDef) and not solution.is_written_function(node) and _is_declared(node, solution):
        yield from _decorate(node)
    if solution.is_written_function(node):
        yield from _swallow_all(node)
        yield from _remember_result(node)
        yield from _remember_arguments(node, solution)
        yield from _share_defaults(node, solution)
        yield from _capture_at_definition(node, solution)


def _is_declared(node: ast.FunctionDef, solution: Solution) -> bool:
    """Dit si l'étudiant écrit le décorateur ou les paramètres de cette fonction, en tout ou en partie."""
    return any(solution.is_written(part) for root in (*node.decorator_list, node.args) for part in ast.walk(root))


def _decorate(node: ast.FunctionDef) -> Iterator[Alteration]:
    for name, (told, _) in HELPERS.items():
        yield f"{node.name} {told}", lambda copied, name=name: copied.decorator_list.append(ast.Name(name))


def _swallow(node: ast.stmt, solution: Solution) -> Iterator[Alteration]:
    if not isinstance(node, ast.Return | ast.Assign | ast.Expr | ast.For | ast.With) or not _has_call(node):
        return
    empty = _empty(solution.enclosing(node))
    ending = f"return {empty}" if isinstance(node, ast.Return | ast.Assign) else "pass"

    def alter(copied: ast.AST) -> None:
        inner = copied.__class__(**copied.__dict__)
        become(copied, _trying([inner], ending))

    yield f"avale les erreurs de « {short(node)} »", alter


def _swallow_all(node: ast.FunctionDef) -> Iterator[Alteration]:
    start = _start(node)
    if len(node.body) - start < 2:
        return
    ending = f"return {_empty(node)}"
    yield (
        f"{node.name} avale toutes les erreurs",
        lambda copied: copied.body.__setitem__(slice(start, None), [_trying(copied.body[start:], ending)]),
    )


def _trying(body: list[ast.stmt], ending: str) -> ast.Try:
    attempt = ast.parse(f"try:\n    pass\nexcept Exception:\n    {ending}").body[0]
    attempt.body = body
    return attempt


def _empty(function: ast.FunctionDef) -> str:
    returned = ast.unparse(function.returns) if function.returns else ""
    return EMPTY.get(returned.partition("[")[0], "None")


def _remember_value(node: ast.stmt) -> Iterator[Alteration]:
    """Une valeur gardée pour toujours, ou tant que les arguments s'écrivent pareil."""
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and len(node.targets) == 1):
        return
    name = ast.unparse(node.targets[0])
    arguments = ", ".join(ast.unparse(argument) for argument in node.value.args)
    for key, told in ((repr(name), "pour toujours"), (f"str(({arguments},))", f"par le texte de {arguments}")):
        if arguments or key == repr(name):
            template = f"{KEPT}[{key}] if {key} in {KEPT} else {KEPT}.setdefault({key}, _)"
            yield (
                f"{name} est gardé {told}",
                lambda copied, template=template: setattr(copied, "value", filled(template, copied.value)),
            )


def _remember_result(node: ast.FunctionDef) -> Iterator[Alteration]:
    names = [argument.arg for argument in node.args.args]
    yield f"{node.name} garde son premier résultat", lambda copied: _keep(copied, repr(node.name))
    if names:
        key = f"str(({', '.join(names)},))"
        yield f"{node.name} garde ses résultats, par le texte de ses arguments", lambda copied: _keep(copied, key)
    annotations = [ast.unparse(argument.annotation) for argument in node.args.args if argument.annotation]
    if names and not any(kind in text for kind in UNHASHABLE for text in annotations):
        cached = ast.parse("functools.cache", mode="eval").body
        yield f"@functools.cache sur {node.name}", lambda copied: copied.decorator_list.insert(0, cached)


def _keep(function: ast.FunctionDef, key: str) -> None:
    start = _start(function)
    returns = [node for node in without_inner_functions(function) if isinstance(node, ast.Return) and node.value]
    for node in returns:
        node.value = filled(f"{KEPT}.setdefault({key}, _)", node.value)
    first = f"if {key} in {KEPT}:\n    return {KEPT}[{key}]"
    # Sans valeur à rendre, c'est le travail qui n'est fait qu'une fois.
    function.body[start:start] = ast.parse(first if returns else f"{first}\n{KEPT}[{key}] = None").body


def _remember_arguments(node: ast.FunctionDef, solution: Solution) -> Iterator[Alteration]:
    used = {other.id for other in ast.walk(node) if isinstance(other, ast.Name) and solution.is_written(other)}
    for name in [argument.arg for argument in node.args.args if argument.arg in used]:
        first = ast.parse(f"{name} = {KEPT}.setdefault('{name}', {name})").body
        yield (
            f"{node.name} garde le premier {name}",
            lambda copied, first=first: copied.body.__setitem__(slice(_start(node), _start(node)), first),
        )


def _share_defaults(node: ast.FunctionDef, solution: Solution) -> Iterator[Alteration]:
    """Une liste ou un dictionnaire par défaut : le même à tous les appels."""
    for rank, statement in enumerate(node.body):
        value = getattr(statement, "value", None)
        if not solution.is_written(statement) or not isinstance(
            value, ast.ListComp | ast.List | ast.DictComp | ast.Dict
        ):
            continue
        is_list = isinstance(value, ast.ListComp | ast.List)
        name = ast.unparse(statement.targets[0]) if isinstance(statement, ast.Assign) else "collected"

        def alter(copied: ast.AST, rank: int = rank, name: str = name, is_list: bool = is_list) -> None:
            statement = copied.body[rank]
            add = ast.parse(f"{name}.{'extend' if is_list else 'update'}()").body[0]
            add.value.args.append(statement.value)
            ending = ast.parse(f"return {name}").body if isinstance(statement, ast.Return) else []
            copied.body[rank : rank + 1] = [add, *ending]
            _add_default(copied, name, "[]" if is_list else "{}")

        yield f"{name} est un défaut de {node.name}, que tous les appels partagent", alter


def _capture_at_definition(node: ast.FunctionDef, solution: Solution) -> Iterator[Alteration]:
    """Une valeur qui ne dépend de rien, calculée une fois, à la définition."""
    local = {argument.arg for argument in node.args.args}
    local |= {other.id for other in ast.walk(node) if isinstance(other, ast.Name) and isinstance(other.ctx, ast.Store)}
    for rank, statement in enumerate(node.body):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if solution.is_written(statement):
                read = {other.id for other in ast.walk(value) if isinstance(other, ast.Name)}
                if _has_call(value) and not read & local:

                    def alter(copied: ast.AST, rank: int = rank, name: str = name) -> None:
                        _add_default(copied, name, ast.unparse(copied.body.pop(rank).value))

                    yield f"{name} est calculé à la définition de {node.name}", alter


def _add_default(function: ast.FunctionDef, name: str, default: str) -> None:
    function.args.kwonlyargs.append(ast.arg(name))
    function.args.kw_defaults.append(ast.parse(default, mode="eval").body)


def _has_call(node: ast.AST) -> bool:
    return any(isinstance(other, ast.Call) for other in ast.walk(node))


def _start(function: ast.FunctionDef) -> int:
    return 1 if is_docstring(function.body[0]) else 0
