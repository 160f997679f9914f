"""Lire une source Python sans l'exécuter : ses lignes, ses commentaires, ses TODO, ses définitions."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TODO = re.compile(r"#+\s*TODO\b\s*(?P<number>\d+)?")
_LAYOUT = {tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


class StubError(ValueError):
    """Une source dont on ne peut pas tirer de stub ; le message dit où et que faire."""


@dataclass(frozen=True)
class Source:
    """Une source Python lue une fois : ses lignes, ses commentaires, ses instructions, ses définitions."""

    file: str
    lines: list[str]
    comments: list[Comment]
    statements: dict[int, int]
    definitions: list[Definition]

    def error(self, line: int, problem: str) -> StubError:
        """L'erreur à lever pour ce qui ne va pas à cette ligne."""
        return StubError(f"{self.file}:{line}: {problem}")


@dataclass(frozen=True)
class Comment:
    """Un commentaire : `depth` compte les parenthèses ouvertes, `alone` dit s'il a la ligne pour lui."""

    line: int
    column: int
    depth: int
    alone: bool
    text: str


@dataclass(frozen=True)
class Definition:
    """Une fonction ou une classe, et les lignes qu'elle occupe."""

    name: str
    line: int
    end: int
    is_function: bool


def read(source: str, file: str) -> Source:
    """Lit une source ; `file` ne sert qu'aux messages. Lève `StubError` si Python ne la lit pas."""
    try:
        definitions = list(definitions_in(parse(source)))
    except UNPARSABLE as error:
        line, reason = getattr(error, "lineno", None) or 1, getattr(error, "msg", error)
        raise StubError(f"{file}:{line}: source illisible pour Python ({reason}) : corrigez-la.") from error
    comments, statements = scan(source)
    return Source(file, source.split("\n"), comments, statements, definitions)


def parse(source: str) -> ast.Module:
    """L'arbre d'une source, sans avertissement."""
    with warnings.catch_warnings():
        # Un "\d" dans le fichier d'un étudiant ne doit ni parler ni lever ici.
        warnings.simplefilter("ignore")
        return ast.parse(source)


def scan(source: str) -> tuple[list[Comment], dict[int, int]]:
    """Rend les commentaires, et la colonne de chaque ligne où commence une instruction."""
    comments: list[Comment] = []
    statements: dict[int, int] = {}
    depth, at_start = 0, True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line, column = token.start
        if token.type == tokenize.COMMENT:
            alone = not token.line[:column].strip()
            comments.append(Comment(line, column, depth, alone, token.string.rstrip()))
        elif token.type == tokenize.NEWLINE:
            at_start = True
        elif token.type not in _LAYOUT:
            if at_start:
                statements[line] = column
            at_start = False
            if token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
    return comments, statements


def definitions_in(node: ast.AST, prefix: str = "") -> Iterator[Definition]:
    """Les fonctions et les classes d'un arbre, nommées par leur chemin : `Classe.methode`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name, end = prefix + child.name, child.end_lineno or child.lineno
            yield Definition(name, child.lineno, end, not isinstance(child, ast.ClassDef))
            yield from definitions_in(child, f"{name}.")
        elif not isinstance(child, ast.expr):
            yield from definitions_in(child, prefix)


def subject(definitions: Sequence[Definition], line: int) -> str | None:
    """Le nom de ce dont parle cette ligne : la fonction qui l'entoure, sinon la définition qui suit."""
    following = (definition for definition in definitions if definition.line > line)
    found = enclosing_function(definitions, line) or next(following, None)
    return found and found.name


def enclosing_function(definitions: Sequence[Definition], line: int) -> Definition | None:
    """La plus petite fonction qui entoure cette ligne."""
    enclosing = [found for found in definitions if found.is_function and found.line < line <= found.end]
    return enclosing[-1] if enclosing else None


def todo_comments(comments: Sequence[Comment]) -> Iterator[tuple[int | None, int]]:
    """Rend le numéro, s'il y en a un, et la ligne de chaque commentaire `# TODO`."""
    for comment in comments:
        if match := _TODO.match(comment.text):
            yield int(match["number"]) if match["number"] else None, comment.line


def todo_line(source: str, number: int) -> int | None:
    """La ligne de ce TODO, même dans un fichier que Python ne lit pas."""
    try:
        comments, _ = scan(source)
    except (SyntaxError, tokenize.TokenError):
        return _search(source, rf"#+\s*TODO\s+0*{number}\b")
    return next((line for found, line in todo_comments(comments) if found == number), None)


def todo_lines(source: str) -> list[tuple[int, int]]:
    """Le numéro et la ligne de chaque TODO, dans l'ordre, même dans un fichier que Python ne lit pas."""
    found = ((_TODO.match(text.strip()), line) for line, text in enumerate(source.splitlines(), start=1))
    return [(int(match["number"]), line) for match, line in found if match and match["number"]]


def line_after_todo(source: str, number: int) -> str | None:
    """La première ligne qui suit un TODO et n'en est pas le commentaire."""
    start = todo_line(source, number)
    following = source.splitlines()[start:] if start else []
    return next((line.strip() for line in following if _TODO.search(line) or not line.lstrip().startswith("#")), None)


def definition_line(source: str, qualified_name: str) -> int | None:
    """La ligne de cette définition, même dans un fichier que Python ne lit pas."""
    try:
        definitions = definitions_in(parse(source))
        return {definition.name: definition.line for definition in definitions}.get(qualified_name)
    except UNPARSABLE:
        name = re.escape(qualified_name.rpartition(".")[2])
        return _search(source, rf"^\s*(?:async\s+)?(?:def|class)\s+{name}\b")


def _search(source: str, pattern: str) -> int | None:
    lines = enumerate(source.split("\n"), start=1)
    return next((number for number, line in lines if re.search(pattern, line)), None)
