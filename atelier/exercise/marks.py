"""Les marques d'une solution, et ce qu'on en tire : son stub, son texte sans marques, la place de chaque TODO.

Une solution entoure de `# BEGIN SOLUTION` et `# END SOLUTION` ce que l'étudiant doit écrire. Dans une
fonction, le bloc devient `raise NotImplementedError("TODO n")` ; ailleurs, ou entre deux parenthèses,
il disparaît.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from atelier.exercise.reading import (
    Comment,
    Source,
    enclosing_function,
    read,
    subject,
    todo_comments,
)

BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"

_MARKER_LIKE = re.compile(r"#+\s*(BEGIN|END)[\s_-]*SOLUTION", re.IGNORECASE)


@dataclass(frozen=True)
class TodoSite:
    """Où se trouve un `# TODO n`, et quelle fonction il concerne."""

    number: int
    line: int
    function: str | None


def make_stub(source: str, file: str = "<solution>", left: Collection[int] | None = None) -> str:
    """Rend le stub d'une solution, où restent ces TODO (`left`) ou tous ; `file` ne sert qu'aux messages d'erreur.

    Lève `StubError` si les marques sont fautives, ou si le stub ne compile pas.
    """
    solution = read(source, file)
    blocks = _blocks(solution)
    numbered = zip(blocks, _numbers_of(solution, blocks), strict=True)
    removed = [block for block, numbers in numbered if left is None or not numbers.isdisjoint(left)]
    markers = {mark.line for block in blocks if block not in removed for mark in (block.begin, block.end)}
    lines = [line for line in _stub_lines(solution, removed) if line.origin not in markers]
    stub = "\n".join(line.text for line in lines).rstrip("\n") + "\n"
    try:
        compile(stub, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        origin = lines[min(error.lineno or 1, len(lines)) - 1].origin
        # « on line 3 » compterait les lignes du stub, que personne ne voit.
        reason = re.sub(r" on line \d+", "", error.msg)
        raise solution.error(
            origin,
            f"le stub ne compile pas ici ({reason}) : un bloc retire des instructions entières, et laisse"
            " au moins une instruction (docstring, `...`) dans la classe ou le `if` qui le contient.",
        ) from error
    return stub


def make_solution(source: str, file: str = "<solution>") -> str:
    """Rend la solution telle qu'on la lit : sans ses repères. `file` ne sert qu'aux messages d'erreur."""
    solution = read(source, file)
    markers = {comment.line for pair in _pairs(solution) for comment in pair}
    return "\n".join(text for number, text in enumerate(solution.lines, start=1) if number not in markers)


def todo_sites(source: str) -> dict[int, TodoSite]:
    """Associe à chaque numéro de TODO sa ligne et la fonction qui l'entoure, sinon la définition qui suit."""
    found = read(source, "<source>")
    return {
        number: TodoSite(number, line, subject(found.definitions, line))
        for number, line in todo_comments(found.comments)
        if number is not None
    }


def solution_lines(source: str) -> dict[int, set[int]]:
    """Les lignes d'une solution que l'étudiant doit écrire, et les TODO qui les demandent."""
    solution = read(source, "<source>")
    blocks = _blocks(solution)
    numbered = zip(blocks, _numbers_of(solution, blocks), strict=True)
    return {line: numbers for block, numbers in numbered for line in range(block.begin.line + 1, block.end.line)}


@dataclass(frozen=True)
class _Line:
    """Une ligne du stub et la ligne de la solution dont elle vient."""

    origin: int
    text: str


def _stub_lines(solution: Source, blocks: Sequence[_Block]) -> list[_Line]:
    lines = [_Line(number, text) for number, text in enumerate(solution.lines, start=1)]
    kept: list[_Line] = []
    position = 0
    for block in blocks:
        kept += lines[position : block.begin.line - 1]
        position = block.end.line
        if block.raises:
            indent = solution.lines[block.begin.line - 1][: block.begin.column]
            kept.append(_Line(block.begin.line, f'{indent}raise NotImplementedError("TODO {block.todo}")'))
        else:
            position += _join_blanks(kept, lines[position:])
    return kept + lines[position:]


def _join_blanks(kept: list[_Line], following: Sequence[_Line]) -> int:
    """Réunit les lignes vides qui entourent un bloc disparu ; rend le nombre de celles qui le suivaient."""
    before = list(itertools.takewhile(_is_blank, reversed(kept)))
    after = list(itertools.takewhile(_is_blank, following))
    del kept[len(kept) - len(before) :]
    kept += max(before, after, key=len)[:2]
    return len(after)


def _is_blank(line: _Line) -> bool:
    return not line.text.strip()


@dataclass(frozen=True)
class _Block:
    begin: Comment
    end: Comment
    todo: int
    raises: bool


def _blocks(solution: Source) -> list[_Block]:
    pairs = _pairs(solution)
    todos = _numbered_todos(solution, pairs)
    blocks = []
    for begin, end in pairs:
        preceding = [number for number, line in todos if line < begin.line]
        if not preceding:
            raise solution.error(begin.line, "bloc sans `# TODO n` avant lui : dites d'abord quoi écrire.")
        if begin.depth == 0:
            _check_indentation(solution, begin, end)
        raises = begin.depth == 0 and enclosing_function(solution.definitions, begin.line) is not None
        blocks.append(_Block(begin, end, preceding[-1], raises))
    return blocks


def _numbers_of(solution: Source, blocks: Sequence[_Block]) -> list[set[int]]:
    """Les TODO de chaque bloc ; deux TODO d'affilée se partagent celui qui les suit."""
    ends = [0, *(block.end.line for block in blocks)]
    places = [(number, line) for number, line in todo_comments(solution.comments) if number]
    return [
        {block.todo, *(number for number, line in places if end < line < block.begin.line)}
        for end, block in zip(ends, blocks, strict=False)
    ]


def _pairs(solution: Source) -> list[tuple[Comment, Comment]]:
    pairs = []
    opened: Comment | None = None
    for marker in _markers(solution):
        if marker.text == BEGIN and opened:
            problem = f"`{BEGIN}` dans le bloc ouvert ligne {opened.line} : fermez d'abord celui-ci."
            raise solution.error(marker.line, problem)
        if marker.text == END and not opened:
            raise solution.error(marker.line, f"`{END}` sans `{BEGIN}` : ajoutez-le, ou retirez cette ligne.")
        if opened:
            pairs.append((opened, marker))
        opened = marker if marker.text == BEGIN else None
    if opened:
        raise solution.error(opened.line, f"bloc jamais fermé : ajoutez `{END}` après le code à retirer.")
    if not pairs:
        raise solution.error(1, f"aucun bloc : entourez de `{BEGIN}` et `{END}` le code à retirer.")
    return pairs


def _markers(solution: Source) -> Iterator[Comment]:
    for comment in solution.comments:
        if not _MARKER_LIKE.match(comment.text):
            continue
        if comment.text not in (BEGIN, END) or not comment.alone:
            # Un repère mal écrit et ignoré livrerait la solution dans le stub.
            problem = f"repère mal écrit : mettez `{BEGIN}` ou `{END}`, exactement, seul sur sa ligne."
            raise solution.error(comment.line, problem)
        yield comment


def _numbered_todos(solution: Source, pairs: Sequence[tuple[Comment, Comment]]) -> list[tuple[int, int]]:
    """Vérifie que les TODO sont hors des blocs et numérotés 1, 2, 3… dans l'ordre du fichier."""
    todos = []
    for expected, (number, line) in enumerate(todo_comments(solution.comments), start=1):
        if any(begin.line < line < end.line for begin, end in pairs):
            raise solution.error(line, f"ce TODO disparaîtrait avec son bloc : placez-le avant `{BEGIN}`.")
        if number != expected:
            raise solution.error(line, f"TODO {expected} attendu ici : numérotez 1, 2, 3… dans l'ordre.")
        todos.append((expected, line))
    return todos


def _check_indentation(solution: Source, begin: Comment, end: Comment) -> None:
    """Refuse un bloc vide, décalé du code qu'il retire, ou qui déborde de la fonction où il commence."""
    columns = [column for line, column in solution.statements.items() if begin.line < line < end.line]
    if not columns:
        raise solution.error(begin.line, "bloc vide : mettez-y le code à retirer, ou supprimez ses repères.")
    if min(columns) != begin.column:
        problem = f"bloc mal placé : alignez `{BEGIN}` sur le code à retirer, dans une seule fonction."
        raise solution.error(begin.line, problem)
