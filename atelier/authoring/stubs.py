"""Le générateur de stubs : `python -m atelier.authoring.stubs` écrit `katas/` à partir de `solutions/`.

Une solution entoure de `# BEGIN SOLUTION` et `# END SOLUTION` ce que l'étudiant doit écrire. Dans une
fonction, le bloc devient `raise NotImplementedError("TODO n")` ; ailleurs, ou entre deux parenthèses,
il disparaît.

`solutions/stubs.json` garde l'empreinte de chaque stub produit : un fichier de `katas/` qui n'y figure pas
contient le travail de quelqu'un, et n'est jamais remplacé sans copie.
"""

from __future__ import annotations

import argparse
import ast
import codecs
import hashlib
import io
import itertools
import json
import os
import re
import sys
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"
HISTORY = Path("solutions", "stubs.json")

_MARKER_LIKE = re.compile(r"#+\s*(BEGIN|END)[\s_-]*SOLUTION", re.IGNORECASE)
_TODO = re.compile(r"#+\s*TODO\b\s*(?P<number>\d+)?")
_LAYOUT = {tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


class StubError(ValueError):
    """Une source dont on ne peut pas tirer de stub ; le message dit où et que faire."""


@dataclass(frozen=True)
class TodoSite:
    """Où se trouve un `# TODO n`, et quelle fonction il concerne."""

    number: int
    line: int
    function: str | None


def make_stub(source: str, file: str = "<solution>") -> str:
    """Rend le stub d'une solution ; `file` ne sert qu'aux messages d'erreur."""
    solution = _read(source, file)
    lines = _stub_lines(solution, _blocks(solution))
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
    solution = _read(source, file)
    markers = {comment.line for pair in _pairs(solution) for comment in pair}
    return "\n".join(text for number, text in enumerate(solution.lines, start=1) if number not in markers)


def todo_sites(source: str) -> dict[int, TodoSite]:
    """Associe à chaque numéro de TODO sa ligne et la fonction qui l'entoure, sinon la définition qui suit."""
    read = _read(source, "<source>")
    return {
        number: TodoSite(number, line, _subject(read.definitions, line))
        for number, line in _todos(read.comments)
        if number is not None
    }


def locate_todo(stub_source: str, student_source: str, number: int) -> int | None:
    """Rend la ligne où l'étudiant doit regarder : son `# TODO n`, sinon le `def` de la fonction visée."""
    line = _todo_line(student_source, number)
    if line is not None:
        return line
    site = todo_sites(stub_source).get(number)
    if site is None or site.function is None:
        return None
    return _definition_line(student_source, site.function)


def is_untouched(kata_file: Path, root: Path = REPOSITORY) -> bool:
    """Dit si ce fichier est encore l'un des stubs produits, aux fins de ligne et blancs finaux près."""
    try:
        key = kata_file.resolve().relative_to(root.resolve() / "katas").as_posix()
        return _History.load(root).knows(key, _digest(kata_file.read_bytes()))
    except (OSError, ValueError):
        # Dans le doute (fichier absent, historique illisible), c'est le travail de quelqu'un.
        return False


def is_todo_left(stub_source: str, student_source: str, number: int) -> bool:
    """Dit si ce TODO est resté tel quel : sous son commentaire vient encore la ligne du stub."""
    line = _line_after_todo(stub_source, number)
    return line is not None and line == _line_after_todo(student_source, number)


def main(argv: Sequence[str] | None = None) -> int:
    """Écrit ou vérifie les stubs ; rend 0, 1 (refusé ou pas à jour) ou 2 (source inutilisable)."""
    options = _options(argv)
    try:
        modules = _modules(options.root, options.katas)
        history = _History.load(options.root)
    except StubError as error:
        print(error, file=sys.stderr)
        return _Code.UNUSABLE
    return max(_process(module, history, options) for module in modules)


class _Code(IntEnum):
    GOOD = 0
    REFUSED = 1
    UNUSABLE = 2


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m atelier.authoring.stubs", description="Écrit les stubs de katas/ à partir de solutions/."
    )
    parser.add_argument("katas", nargs="*", metavar="NN_slug", help="les katas à traiter (tous par défaut)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--force", action="store_true", help="remplace aussi un travail, et en garde une copie")
    mode.add_argument("--check", action="store_true", help="n'écrit rien, signale ce qui n'est pas à jour")
    parser.add_argument("--root", type=Path, default=REPOSITORY, metavar="DIR", help="la racine du dépôt")
    return parser.parse_args(argv)


def _process(module: _Module, history: _History, options: argparse.Namespace) -> _Code:
    try:
        stub = module.make_stub()
        if options.check:
            code, verdict = _check(module, stub, history)
        else:
            code, verdict = _update(module, stub, history, force=options.force)
    except StubError as error:
        print(error, file=sys.stderr)
        return _Code.UNUSABLE
    except OSError as error:
        print(f"{error.filename} : lecture ou écriture impossible ({error.strerror}).", file=sys.stderr)
        return _Code.UNUSABLE
    print(f"katas/{module.key} : {verdict}")
    return code


def _check(module: _Module, stub: str, history: _History) -> tuple[_Code, str]:
    state = _state(module, stub, history)
    if state is _State.TOUCHED:
        return _Code.REFUSED, "modifié à la main : reportez ce changement dans solutions/, ou --force"
    if state is _State.MISSING:
        return _Code.REFUSED, "absent : lancez `make stubs`"
    if state is _State.OLD:
        return _Code.REFUSED, "périmé : lancez `make stubs`"
    if not history.knows(module.key, _digest(stub.encode())):
        return _Code.REFUSED, "inconnu de l'historique : lancez `make stubs`"
    return _Code.GOOD, "à jour"


def _update(module: _Module, stub: str, history: _History, *, force: bool) -> tuple[_Code, str]:
    state = _state(module, stub, history)
    if state is _State.TOUCHED and not force:
        return _Code.REFUSED, "refusé, il contient un travail (--force le remplace et en garde une copie)"
    # L'historique d'abord : un stub écrit mais inconnu passerait pour le travail d'un étudiant.
    history.record(module.key, _digest(stub.encode()))
    if state is _State.FRESH:
        return _Code.GOOD, "à jour"
    verdict = "créé" if state is _State.MISSING else "mis à jour"
    if state is _State.TOUCHED:
        verdict = f"remplacé, votre travail est copié dans {back_up(module.kata).name}"
    write_atomically(module.kata, stub)
    return _Code.GOOD, verdict


class _State(Enum):
    MISSING = "missing"
    FRESH = "fresh"
    OLD = "old"
    TOUCHED = "touched"


def _state(module: _Module, stub: str, history: _History) -> _State:
    if not module.kata.exists():
        return _State.MISSING
    digest = _digest(module.kata.read_bytes())
    if digest == _digest(stub.encode()):
        return _State.FRESH
    return _State.OLD if history.knows(module.key, digest) else _State.TOUCHED


@dataclass(frozen=True)
class _Module:
    """Un module de kata, nommé par son chemin sous `solutions/` comme sous `katas/`."""

    root: Path
    key: str

    @property
    def kata(self) -> Path:
        return self.root / "katas" / self.key

    def make_stub(self) -> str:
        try:
            source = (self.root / "solutions" / self.key).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            message = "ce fichier n'est pas en UTF-8 : enregistrez-le dans cet encodage."
            raise StubError(f"solutions/{self.key}:1: {message}") from error
        return make_stub(source, f"solutions/{self.key}")


def _modules(root: Path, requested: Sequence[str]) -> list[_Module]:
    solutions = root / "solutions"
    sources: dict[str, list[Path]] = {}
    for source in sorted(solutions.glob("[0-9][0-9]_*/*.py")):
        sources.setdefault(source.parent.name, []).append(source)
    # `Path.name` : le shell complète volontiers en « solutions/03_cache/ ».
    slugs = [Path(name).name for name in requested] or list(sources)
    unknown = [slug for slug in slugs if slug not in sources]
    if unknown:
        known = ", ".join(sources) or "aucun"
        raise StubError(f"{', '.join(unknown)} : kata sans solution ; katas connus : {known}.")
    if not slugs:
        raise StubError(f"{solutions} : aucune solution (NN_slug/module.py) ; vérifiez --root.")
    chosen = [source for slug in dict.fromkeys(slugs) for source in sources[slug]]
    return [_Module(root, source.relative_to(solutions).as_posix()) for source in chosen]


@dataclass(frozen=True)
class _History:
    """Les empreintes de tous les stubs jamais produits, une par ligne pour que git fusionne bien."""

    file: Path
    digests: dict[str, list[str]]

    @classmethod
    def load(cls, root: Path) -> _History:
        file = root / HISTORY
        try:
            digests = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(file, {})
        except ValueError as error:
            raise cls._unreadable(getattr(error, "lineno", 1)) from error
        if not (isinstance(digests, dict) and all(isinstance(known, list) for known in digests.values())):
            raise cls._unreadable(1)
        return cls(file, digests)

    @staticmethod
    def _unreadable(line: int) -> StubError:
        name = HISTORY.as_posix()
        remedy = f"terminez la fusion git, ou lancez `git restore {name}`"
        return StubError(f"{name}:{line}: historique illisible : {remedy}.")

    def knows(self, key: str, digest: str) -> bool:
        return digest in self.digests.get(key, [])

    def record(self, key: str, digest: str) -> None:
        if self.knows(key, digest):
            return
        digests = self.digests | {key: sorted([*self.digests.get(key, []), digest])}
        write_atomically(self.file, json.dumps(digests, indent=2, sort_keys=True) + "\n")
        self.digests.update(digests)


def _digest(content: bytes) -> str:
    lines = [line.rstrip() for line in content.removeprefix(codecs.BOM_UTF8).splitlines()]
    return hashlib.sha256(b"\n".join(lines).rstrip() + b"\n").hexdigest()


def back_up(file: Path) -> Path:
    """Copie ce fichier à côté de lui, sous un nom daté que personne n'a pris ; rend la copie."""
    stamp, attempt = _timestamp(), 1
    copy = file.with_name(f"{file.name}.{stamp}.bak")
    while not _write_new(copy, file.read_bytes()):
        attempt += 1
        copy = file.with_name(f"{file.name}.{stamp}-{attempt}.bak")
    return copy


def _write_new(file: Path, content: bytes) -> bool:
    try:
        stream = file.open("xb")
    except FileExistsError:
        return False
    with stream:
        stream.write(content)
    return True


def _timestamp() -> str:
    return f"{datetime.now():%Y-%m-%d_%H%M%S}"


def write_atomically(file: Path, text: str) -> None:
    """Écrit ce texte en entier ou pas du tout."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Pas de `tempfile` : ses droits 0600 fermeraient le fichier aux conteneurs voisins.
    draft = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(text.encode())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Line:
    """Une ligne du stub et la ligne de la solution dont elle vient."""

    origin: int
    text: str


def _stub_lines(solution: _Source, blocks: Sequence[_Block]) -> list[_Line]:
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
    begin: _Comment
    end: _Comment
    todo: int
    raises: bool


def _blocks(solution: _Source) -> list[_Block]:
    pairs = _pairs(solution)
    todos = _numbered_todos(solution, pairs)
    blocks = []
    for begin, end in pairs:
        preceding = [number for number, line in todos if line < begin.line]
        if not preceding:
            raise solution.error(begin.line, "bloc sans `# TODO n` avant lui : dites d'abord quoi écrire.")
        if begin.depth == 0:
            _check_indentation(solution, begin, end)
        raises = begin.depth == 0 and _enclosing_function(solution.definitions, begin.line) is not None
        blocks.append(_Block(begin, end, preceding[-1], raises))
    return blocks


def _pairs(solution: _Source) -> list[tuple[_Comment, _Comment]]:
    pairs = []
    opened: _Comment | None = None
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


def _markers(solution: _Source) -> Iterator[_Comment]:
    for comment in solution.comments:
        if not _MARKER_LIKE.match(comment.text):
            continue
        if comment.text not in (BEGIN, END) or not comment.alone:
            # Un repère mal écrit et ignoré livrerait la solution dans le stub.
            problem = f"repère mal écrit : mettez `{BEGIN}` ou `{END}`, exactement, seul sur sa ligne."
            raise solution.error(comment.line, problem)
        yield comment


def _numbered_todos(solution: _Source, pairs: Sequence[tuple[_Comment, _Comment]]) -> list[tuple[int, int]]:
    """Vérifie que les TODO sont hors des blocs et numérotés 1, 2, 3… dans l'ordre du fichier."""
    todos = []
    for expected, (number, line) in enumerate(_todos(solution.comments), start=1):
        if any(begin.line < line < end.line for begin, end in pairs):
            raise solution.error(line, f"ce TODO disparaîtrait avec son bloc : placez-le avant `{BEGIN}`.")
        if number != expected:
            raise solution.error(line, f"TODO {expected} attendu ici : numérotez 1, 2, 3… dans l'ordre.")
        todos.append((expected, line))
    return todos


def _check_indentation(solution: _Source, begin: _Comment, end: _Comment) -> None:
    """Refuse un bloc vide, décalé du code qu'il retire, ou qui déborde de la fonction où il commence."""
    columns = [column for line, column in solution.statements.items() if begin.line < line < end.line]
    if not columns:
        raise solution.error(begin.line, "bloc vide : mettez-y le code à retirer, ou supprimez ses repères.")
    if min(columns) != begin.column:
        problem = f"bloc mal placé : alignez `{BEGIN}` sur le code à retirer, dans une seule fonction."
        raise solution.error(begin.line, problem)


@dataclass(frozen=True)
class _Source:
    """Une source Python lue une fois : ses lignes, ses commentaires, ses instructions, ses définitions."""

    file: str
    lines: list[str]
    comments: list[_Comment]
    statements: dict[int, int]
    definitions: list[_Definition]

    def error(self, line: int, problem: str) -> StubError:
        return StubError(f"{self.file}:{line}: {problem}")


@dataclass(frozen=True)
class _Comment:
    line: int
    column: int
    depth: int
    alone: bool
    text: str


@dataclass(frozen=True)
class _Definition:
    name: str
    line: int
    end: int
    is_function: bool


def _read(source: str, file: str) -> _Source:
    try:
        definitions = list(_definitions(_parse(source)))
    except _UNPARSABLE as error:
        line, reason = getattr(error, "lineno", None) or 1, getattr(error, "msg", error)
        raise StubError(f"{file}:{line}: source illisible pour Python ({reason}) : corrigez-la.") from error
    comments, statements = _scan(source)
    return _Source(file, source.split("\n"), comments, statements, definitions)


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        # Un "\d" dans le fichier d'un étudiant ne doit ni parler ni lever ici.
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _scan(source: str) -> tuple[list[_Comment], dict[int, int]]:
    """Rend les commentaires, et la colonne de chaque ligne où commence une instruction."""
    comments: list[_Comment] = []
    statements: dict[int, int] = {}
    depth, at_start = 0, True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line, column = token.start
        if token.type == tokenize.COMMENT:
            alone = not token.line[:column].strip()
            comments.append(_Comment(line, column, depth, alone, token.string.rstrip()))
        elif token.type == tokenize.NEWLINE:
            at_start = True
        elif token.type not in _LAYOUT:
            if at_start:
                statements[line] = column
            at_start = False
            if token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
    return comments, statements


def _definitions(node: ast.AST, prefix: str = "") -> Iterator[_Definition]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name, end = prefix + child.name, child.end_lineno or child.lineno
            yield _Definition(name, child.lineno, end, not isinstance(child, ast.ClassDef))
            yield from _definitions(child, f"{name}.")
        elif not isinstance(child, ast.expr):
            yield from _definitions(child, prefix)


def _subject(definitions: Sequence[_Definition], line: int) -> str | None:
    following = (definition for definition in definitions if definition.line > line)
    subject = _enclosing_function(definitions, line) or next(following, None)
    return subject and subject.name


def _enclosing_function(definitions: Sequence[_Definition], line: int) -> _Definition | None:
    enclosing = [found for found in definitions if found.is_function and found.line < line <= found.end]
    return enclosing[-1] if enclosing else None


def _todos(comments: Sequence[_Comment]) -> Iterator[tuple[int | None, int]]:
    """Rend le numéro, s'il y en a un, et la ligne de chaque commentaire `# TODO`."""
    for comment in comments:
        if match := _TODO.match(comment.text):
            yield int(match["number"]) if match["number"] else None, comment.line


def _todo_line(source: str, number: int) -> int | None:
    try:
        comments, _ = _scan(source)
    except (SyntaxError, tokenize.TokenError):
        return _search(source, rf"#+\s*TODO\s+0*{number}\b")
    return next((line for found, line in _todos(comments) if found == number), None)


def _line_after_todo(source: str, number: int) -> str | None:
    """La première ligne qui suit un TODO et n'en est pas le commentaire."""
    start = _todo_line(source, number)
    following = source.splitlines()[start:] if start else []
    return next((line.strip() for line in following if _TODO.search(line) or not line.lstrip().startswith("#")), None)


def _definition_line(source: str, qualified_name: str) -> int | None:
    try:
        definitions = _definitions(_parse(source))
        return {definition.name: definition.line for definition in definitions}.get(qualified_name)
    except _UNPARSABLE:
        name = re.escape(qualified_name.rpartition(".")[2])
        return _search(source, rf"^\s*(?:async\s+)?(?:def|class)\s+{name}\b")


def _search(source: str, pattern: str) -> int | None:
    lines = enumerate(source.split("\n"), start=1)
    return next((number for number, line in lines if re.search(pattern, line)), None)


if __name__ == "__main__":
    sys.exit(main())
