"""Les TODO dans le fichier d'un étudiant : où ils sont, s'il y a écrit quelque chose, lequel une ligne concerne."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache

from atelier.exercise.marks import make_stub, solution_lines, todo_sites
from atelier.exercise.reading import UNPARSABLE, definition_line, line_after_todo, parse, todo_line, todo_lines

Node = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
# Une solution ne change pas d'un test à l'autre : la relire prendrait un vingtième du temps d'un test rouge.
_stub_of = lru_cache(maxsize=16)(make_stub)
_sites_of = lru_cache(maxsize=16)(todo_sites)


def locate_todo(solution_source: str, student_source: str, number: int) -> int | None:
    """Rend la ligne où l'étudiant doit regarder : son `# TODO n`, sinon le `def` de la fonction visée."""
    line = todo_line(student_source, number)
    if line is not None:
        return line
    site = _sites_of(solution_source).get(number)
    if site is None or site.function is None:
        return None
    return definition_line(student_source, site.function)


def nearest_todo(source: str, line: int) -> int | None:
    """Le TODO dont parle sans doute cette ligne, d'après les commentaires qui restent ; rien s'il n'y en a plus.

    Dans une définition : le dernier qui précède la ligne ; à défaut, le premier de ses décorateurs, puis de son corps.
    Ailleurs, le dernier qui précède. Le fichier peut ne pas se lire.
    """
    todos = todo_lines(source)
    previous = next(((number, place) for number, place in reversed(todos) if place <= line), None)
    try:
        tree = parse(source)
    except UNPARSABLE:
        return previous and previous[0]
    definition = _innermost(tree, line)
    if definition is None:
        return previous and previous[0]
    span = range(_first_line(definition), (definition.end_lineno or line) + 1)
    inside = [(number, place) for number, place in todos if place in span]
    beside = [number for number, place in inside if max(line, place) <= definition.lineno]
    if previous and (previous in inside or (not beside and _innermost(tree, previous[1]) is None)):
        return previous[0]
    return next(iter(beside or [number for number, _ in inside]), previous and previous[0])


def is_todo_left(solution_source: str, student_source: str, number: int) -> bool:
    """Dit si l'étudiant n'a rien écrit pour ce TODO.

    Le code peut être ailleurs que sous son commentaire : plus bas entre les mêmes parenthèses, ou dans un
    `with_options`. On compare donc ce qui le contient, un décorateur ou le corps d'une fonction, à ce que donne le
    stub ; entre deux TODO du même décorateur, les arguments que demande la solution les départagent.
    """
    stub_source = _stub_of(solution_source)
    line = line_after_todo(stub_source, number)
    if line is None or line != line_after_todo(student_source, number):
        return False
    try:
        stub, student = parse(stub_source), parse(student_source)
    except UNPARSABLE:
        return True
    if _options(student) > _options(stub):
        return False
    place = todo_line(stub_source, number) or 0
    container = _innermost(stub, place)
    if container is None:
        return _is_head_left(stub, student, place, [place for _, place in todo_lines(stub_source)])
    theirs = next((node for node in _definitions(student) if node.name == container.name), None)
    if theirs is None:
        return False
    if place < container.lineno:
        return _is_decorator_left(container, theirs, _asked_elsewhere(solution_source, container.name, number))
    return _dump(container.body) == _dump(theirs.body)


def _is_head_left(stub: ast.Module, student: ast.Module, place: int, todos: list[int]) -> bool:
    """Dit si rien n'a changé de ce que vise un TODO écrit entre deux définitions : les décorateurs et les arguments.

    Il vise celles qui le suivent, jusqu'au prochain de son genre, sauf celles dont un décorateur a son propre TODO.
    """
    end = next((line for line in todos if line > place and _innermost(stub, line) is None), float("inf"))
    following = [node for node in stub.body if isinstance(node, Node) and place < node.lineno < end]
    aimed = {node.name for node in following if not any(_first_line(node) <= line < node.lineno for line in todos)}
    return _heads(stub, aimed) == _heads(student, aimed) and _loose(stub) == _loose(student)


def _heads(tree: ast.Module, names: set[str]) -> dict[str, list[str]]:
    nodes = [node for node in tree.body if isinstance(node, Node) and node.name in names]
    return {node.name: _dump(node.decorator_list) + _dump(_arguments(node)) for node in nodes}


def _arguments(node: Node) -> list[ast.AST]:
    return [] if isinstance(node, ast.ClassDef) else [node.args]


def _loose(tree: ast.Module) -> list[str]:
    """Ce qui n'est ni une définition, ni un import."""
    return _dump([node for node in tree.body if not isinstance(node, Node | ast.Import | ast.ImportFrom)])


def _is_decorator_left(stub: Node, student: Node, of_others: set[str]) -> bool:
    """Dit si ce décorateur n'a reçu que ce que demandent d'autres TODO."""
    before, after = _keywords(stub), _keywords(student)
    kept = all(after.get(name) == value for name, value in before.items())
    return kept and after.keys() - before.keys() <= of_others


def _asked_elsewhere(solution: str, name: str, number: int) -> set[str]:
    """Les arguments de décorateur que la solution donne à d'autres TODO, et pas à celui-ci."""
    tree = parse(solution)
    definition = next(node for node in _definitions(tree) if node.name == name)
    asked: dict[bool, set[str]] = {True: set(), False: set()}
    lines = solution_lines(solution)
    for call in (node for decorator in definition.decorator_list for node in ast.walk(decorator)):
        for keyword in call.keywords if isinstance(call, ast.Call) else ():
            asked[number in lines.get(keyword.value.lineno, ())].add(keyword.arg or "")
    return asked[False] - asked[True]


def _keywords(definition: Node) -> dict[str, str]:
    calls = [decorator for decorator in definition.decorator_list if isinstance(decorator, ast.Call)]
    return {keyword.arg or "": ast.dump(keyword.value) for call in calls for keyword in call.keywords}


def _options(tree: ast.AST) -> int:
    return sum(isinstance(node, ast.Attribute) and node.attr == "with_options" for node in ast.walk(tree))


def _definitions(tree: ast.AST) -> Iterator[Node]:
    return (node for node in ast.walk(tree) if isinstance(node, Node))


def _first_line(node: Node) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _innermost(tree: ast.Module, line: int) -> Node | None:
    """La plus petite définition qui entoure cette ligne, décorateurs compris."""
    around = [node for node in _definitions(tree) if _first_line(node) <= line <= (node.end_lineno or 0)]
    return max(around, key=_first_line, default=None)


def _dump(nodes: Sequence[ast.AST]) -> list[str]:
    return [ast.dump(node) for node in nodes]
