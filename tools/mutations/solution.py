"""La solution à abîmer : ce que l'étudiant en écrit, et ce que l'on sait de ses valeurs."""

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module

from atelier.exercise.marks import BEGIN, END

# Ce qu'un changement dit, et ce qu'il fait à la copie du nœud.
Alteration = tuple[str, Callable[[ast.AST], object]]


@dataclass(frozen=True)
class Solution:
    """Une solution, le README qui la demande et les tests qui la jugent."""

    source: str
    readme: str = ""
    tests: str = ""
    tree: ast.Module = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", ast.parse(self.source))

    @cached_property
    def lines(self) -> set[int]:
        """Les lignes que l'étudiant écrit, entre les marques."""
        inside, lines = False, set()
        for number, line in enumerate(self.source.splitlines(), start=1):
            if line.strip() == BEGIN:
                inside = True
            elif line.strip() == END:
                inside = False
            elif inside:
                lines.add(number)
        return lines

    def is_written(self, node: ast.AST) -> bool:
        """Dit si l'étudiant écrit ce nœud."""
        return getattr(node, "lineno", 0) in self.lines

    def is_written_function(self, node: ast.AST) -> bool:
        """Dit si l'étudiant écrit le corps de cette fonction, en tout ou en partie."""
        return isinstance(node, ast.FunctionDef) and any(map(self.is_written, node.body))

    def enclosing(self, node: ast.AST) -> ast.FunctionDef | None:
        """La fonction qui contient ce nœud."""
        functions = [other for other in self.tree.body if isinstance(other, ast.FunctionDef)]
        return next((function for function in functions if node in set(ast.walk(function))), None)

    def kind(self, node: ast.expr) -> str:
        """Le type d'une expression, tel qu'une annotation le dit ; vide si l'on n'en sait rien."""
        match node:
            case ast.JoinedStr() | ast.Call(func=ast.Name(id="str")):
                return "str"
            case ast.ListComp() | ast.List():
                return "list"
            case ast.Call(func=function):
                return self._returned(function)
            case ast.Name(id=name):
                return self._kind_of_name(name, self.enclosing(node))
            case ast.Attribute(attr=name):
                return self._fields.get(name, "")
        return ""

    def _kind_of_name(self, name: str, function: ast.FunctionDef | None) -> str:
        if function is None:
            return ""
        arguments = [*function.args.args, *function.args.kwonlyargs]
        annotations = {argument.arg: argument.annotation for argument in arguments if argument.annotation}
        if name in annotations:
            return ast.unparse(annotations[name])
        for node in ast.walk(function):
            match node:
                case ast.Assign(targets=[ast.Name(id=other)], value=ast.Call() as value) if other == name:
                    return self.kind(value)
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Call() as value):
                    names = [ast.unparse(target) for target in targets]
                    parts = self.kind(value).removeprefix("tuple[").removesuffix("]").split(", ")
                    if name in names and len(parts) == len(names):
                        return parts[names.index(name)]
        return ""

    def _returned(self, function: ast.expr) -> str:
        name = ast.unparse(function)
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return ast.unparse(node.returns) if node.returns else ""
        found = self.resolve(name, only="atelier")
        returned = getattr(found, "__annotations__", {}).get("return", inspect.Parameter.empty)
        return "" if returned is inspect.Parameter.empty else inspect.formatannotation(returned)

    def resolve(self, name: str, only: str = "") -> object:
        """Ce que désigne ce nom, s'il vient d'un module que la solution importe, ou de Python."""
        first, *rest = name.split(".")
        imported = self._imported.get(first, "builtins." + first)
        if not imported.startswith(only):
            return None
        module, _, attribute = imported.rpartition(".")
        try:
            found = import_module(imported) if not module else getattr(import_module(module), attribute)
            for part in rest:
                found = getattr(found, part)
        except (ImportError, AttributeError):
            return None
        return found

    @cached_property
    def _imported(self) -> dict[str, str]:
        found = {}
        for node in self.tree.body:
            prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else []:
                found[alias.asname or alias.name] = prefix + alias.name
        return found

    @cached_property
    def _fields(self) -> dict[str, str]:
        classes = [node for node in self.tree.body if isinstance(node, ast.ClassDef)]
        fields = [node for known in classes for node in known.body if isinstance(node, ast.AnnAssign)]
        return {ast.unparse(node.target): ast.unparse(node.annotation) for node in fields}


def become(node: ast.AST, other: ast.AST) -> None:
    """Change un nœud en un autre, sur place : son parent n'a pas à le savoir."""
    node.__class__ = other.__class__
    node.__dict__ = other.__dict__


def filled(template: str, expression: ast.expr) -> ast.expr:
    """Ce modèle de code, où `_` devient l'expression."""
    tree = ast.parse(template, mode="eval").body
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.Name) and node.id == "_":
            become(node, expression)
    return tree


def replace(template: str) -> Callable[[ast.AST], None]:
    """De quoi mettre un nœud dans ce modèle de code."""

    def alter(node: ast.AST) -> None:
        inner = node.__class__(**node.__dict__)
        become(node, filled(template, inner))

    return alter


def is_docstring(statement: ast.stmt) -> bool:
    """Dit si cette instruction n'est qu'un texte."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def short(node: ast.AST) -> str:
    """La première ligne de ce code, telle qu'un changement la cite."""
    return ast.unparse(node).splitlines()[0]


def without_inner_functions(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Les nœuds d'une fonction, sauf ceux des fonctions qu'elle définit."""
    todo = list(function.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))
