"""De l'exception au message : ce qu'un étudiant lit quand un test échoue, en douze lignes au plus."""

import enum
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace

from atelier.exercise.history import is_untouched
from atelier.exercise.kata import KataSource
from atelier.exercise.todos import is_todo_left, locate_todo, nearest_todo
from atelier.machine.errors import LONGEST_TEXT, EnvironmentProblem, text_of
from atelier.machine.paths import shown
from atelier.machine.resources import explain_shortage
from atelier.sandbox.loader import explain_missing_package, line_in
from atelier.sandbox.mistakes import LOADING, Interruption, StudentMistake
from atelier.sandbox.runtime_errors import in_french

WIDTH = 110
MAX_LINES = 11  # avec le titre que pytest met au-dessus : douze
PRINTED_LINES = 3


class Outcome(enum.Enum):
    """Pourquoi un test de kata échoue ; la valeur est le mot affiché."""

    TODO = "pas encore fait"
    WRONG = "à corriger"
    ENVIRONMENT = "environnement en panne"


@dataclass(frozen=True)
class Verdict:
    """Tout ce que dit un échec. `todo` est le numéro du TODO, `rule` la règle que le test énonce."""

    outcome: Outcome
    rule: str
    todo: int | None = None
    expected: str = ""
    got: str = ""
    where: str = ""
    example: str = ""
    printed: tuple[str, ...] = ()
    logged: str = ""

    def render(self) -> str:
        """Le message, de deux à onze lignes."""
        todo = f" · TODO {self.todo}" if self.todo and self.outcome is not Outcome.ENVIRONMENT else ""
        lines = [f"{self.outcome.value}{todo} · {self.rule}"]
        labels = ("panne", "réparer") if self.outcome is Outcome.ENVIRONMENT else ("attendu", "obtenu")
        texts = (self.expected, self.got, self.example, self.where, self.logged)
        for label, text in zip((*labels, "exemple", "où", "journal"), texts, strict=True):
            lines += _labelled(label, text)
        lines += [f"  affiché : {line}" if not i else f"            {line}" for i, line in enumerate(self.printed)]
        return "\n".join(lines[:MAX_LINES])


def explain(*, expected: object, got: object) -> str:
    """Le message d'une assertion de kata : `assert essais == 4, explain(expected=…, got=…)`."""
    return f"attendu : {expected}\nobtenu : {got}"


def judge(
    error: BaseException,
    *,
    source: KataSource,
    rule: str,
    todo: int | None,
    run_error: BaseException | None = None,
    printed: str = "",
    logged: BaseException | None = None,
) -> Verdict:
    """Le verdict d'une exception levée par un test du kata `source`.

    `todo` est le numéro du TODO que vise le test ; celui d'un `NotImplementedError("TODO n")` l'emporte.
    `run_error` est l'erreur du dernier run de ce test : une assertion ne dit pas d'elle-même quelle ligne l'a levée.
    `logged` est l'erreur que l'outil a journalisée sans s'arrêter, s'il y en a une : c'est souvent la raison du reste.
    Un fichier qui ne se charge pas n'a rien à voir avec le test : le TODO est celui que concerne la ligne en cause.
    """
    is_loading = any(LOADING in getattr(cause, "__notes__", ()) for cause in chain(error))
    # L'erreur du run aussi : Prefect a pu garder pour lui ce qu'une assertion ne voit que de loin.
    shortage = explain_shortage([*chain(error), *chain(run_error)], [source.path, source.test])
    error = shortage or _root(error)
    if isinstance(error, EnvironmentProblem):
        return Verdict(Outcome.ENVIRONMENT, rule, expected=str(error), got=error.repair)
    remaining = _remaining_todo(error)
    todo = remaining or todo
    verdict = replace(_explained(error), rule=rule, todo=todo, where=_where(error, source, todo))
    if remaining:
        return replace(verdict, outcome=Outcome.TODO, expected="du code à la place du TODO", got="le TODO")
    if is_loading:
        expected = verdict.expected if isinstance(error, StudentMistake) else "un fichier qui se charge jusqu'au bout"
        todo = _todo_at(_line(error, source), source)
        return replace(verdict, rule="le fichier se charge", expected=expected, todo=todo)
    if _is_left(source, todo):
        return replace(verdict, outcome=Outcome.TODO)
    if run_error and (line := _blunder_line(run_error, source)):
        verdict = replace(verdict, where=f"{shown(source.path)}:{line}")
    if logged:
        verdict = _with_logged(verdict, logged, source)
    lines = [_printable(line)[: WIDTH - 12] for line in printed[-LONGEST_TEXT:].splitlines() if line.strip()]
    return replace(verdict, printed=tuple(lines[-PRINTED_LINES:]))


def _explained(error: BaseException) -> Verdict:
    verdict = Verdict(Outcome.WRONG, rule="", example=_example(error))
    if isinstance(error, StudentMistake):
        return replace(verdict, expected=error.expected, got=error.got)
    if isinstance(error, SystemExit):
        return replace(verdict, expected="du code qui laisse Python continuer", got="un appel à `exit`")
    if isinstance(error, Interruption):
        return replace(verdict, expected="du code qui se termine", got="une interruption")
    text = text_of(error)
    if isinstance(error, AssertionError) and (parts := _assertion_parts(text)):
        return replace(verdict, expected=parts["attendu"], got=parts["obtenu"])
    return replace(verdict, expected="du code qui s'exécute sans erreur", got=_named(error))


def _named(error: BaseException) -> str:
    """L'erreur et son message, en une ligne."""
    # pydantic, par exemple, nomme le champ sur la deuxième ligne
    reason = " ".join(in_french(text_of(error)).strip().split("\n")[:3])
    return f"{type(error).__name__} : {reason}" if reason else type(error).__name__


def _root(error: BaseException) -> BaseException:
    """L'erreur à expliquer : la première d'un groupe, la raison d'un import raté."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ModuleNotFoundError):
        return explain_missing_package(error).with_traceback(error.__traceback__)
    return error


def _assertion_parts(text: str) -> dict[str, str] | None:
    # Sous nos deux lignes, pytest ajoute le détail de l'expression : utile avec --full seulement.
    match = re.match(
        r"attendu : (?P<attendu>.*?)\n\s*obtenu : (?P<obtenu>.*?)(?:\n\s*assert |\Z)", text, flags=re.DOTALL
    )
    return match.groupdict() if match else None


def _example(error: BaseException) -> str:
    """L'exemple qu'Hypothesis a trouvé, réduit au plus simple."""
    for note in getattr(error, "__notes__", []):
        if match := re.search(r"\((.*)\)", note.partition("Falsifying example:")[2], flags=re.DOTALL):
            arguments = [part.strip() for part in match[1].strip().splitlines()]
            shown_arguments = [part for part in arguments if not _is_fixture(part)]
            return " ".join(shown_arguments).rstrip(",")
    return ""


def _is_fixture(argument: str) -> bool:
    return "=<" in argument or "=functools" in argument


def _remaining_todo(error: BaseException) -> int | None:
    for cause in chain(error):
        if isinstance(cause, NotImplementedError) and (match := re.fullmatch(r"TODO (\d+)", str(cause))):
            return int(match[1])
    return None


def _where(error: BaseException, source: KataSource, todo: int | None) -> str:
    if isinstance(error, StudentMistake) and error.line:
        return f"{shown(error.path or source.path)}:{error.line}"
    line = _line(error, source) or _todo_line(source, todo)
    return f"{shown(source.path)}:{line}" if line else shown(source.path)


def _with_logged(verdict: Verdict, error: BaseException, source: KataSource) -> Verdict:
    """Ajoute cette erreur au verdict, si le test ne l'a pas déjà citée."""
    text, line = text_of(error), line_in(error, source.path)
    if text and text in verdict.got:
        return replace(verdict, got=verdict.got.replace(text, in_french(text)))
    where = f"{shown(source.path)}:{line}" if line else verdict.where
    return replace(verdict, logged=_named(error), where=where)


def _line(error: BaseException, source: KataSource) -> int | None:
    """La ligne en cause dans le fichier testé."""
    if isinstance(error, StudentMistake) and error.line:
        return error.line if str(error.path or source.path) == str(source.path) else None
    lines = (line_in(cause, source.path) for cause in chain(error))
    return next((line for line in lines if line), None)


def _blunder_line(error: BaseException, source: KataSource) -> int | None:
    """La ligne d'une erreur que le fichier fait lui-même ; celle d'un `requests.get` qui échoue n'apprendrait rien."""
    traceback = error.__traceback__
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    raised_here = traceback is not None and traceback.tb_frame.f_code.co_filename == str(source.path)
    misuse = isinstance(error, TypeError | NameError | AttributeError | ImportError)
    return line_in(error, source.path) if raised_here or misuse else None


def _is_left(source: KataSource, todo: int | None) -> bool:
    """Dit si l'étudiant n'a encore rien écrit : dans le fichier, ou à la place de ce TODO."""
    if is_untouched(source.path, source.root):
        return True
    texts = _solution_and_student(source)
    return texts is not None and todo is not None and is_todo_left(*texts, todo)


def _todo_line(source: KataSource, todo: int | None) -> int | None:
    """La ligne du TODO dans le fichier testé ou, si le commentaire n'y est plus, celle de sa fonction."""
    texts = _solution_and_student(source)
    return locate_todo(*texts, todo) if texts and todo is not None else None


def _todo_at(line: int | None, source: KataSource) -> int | None:
    """Le TODO que concerne cette ligne du fichier testé."""
    texts = _solution_and_student(source)
    return nearest_todo(texts[1], line) if texts and line else None


def _solution_and_student(source: KataSource) -> tuple[str, str] | None:
    try:
        return source.solution.read_text(encoding="utf-8"), source.path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """L'exception, puis celles qui l'ont causée."""
    seen: set[int] = set()
    while error and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _printable(text: str) -> str:
    # Un code d'échappement pourrait effacer l'écran, un caractère isolé faire échouer l'affichage.
    return "".join(character if character.isprintable() else " " for character in text)


def _labelled(label: str, text: str) -> list[str]:
    if not text:
        return []
    indent = " " * 12
    text = " ".join(_printable(text[:LONGEST_TEXT]).split())
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"  {label:<7} : ",
        subsequent_indent=indent,
        max_lines=3,
        placeholder=" …",
    )
