"""Où est un TODO : dans la solution, dans le fichier d'un étudiant, et s'il y reste à faire."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelier.exercise.marks import TodoSite, make_stub, todo_sites
from atelier.exercise.reading import todo_lines
from atelier.exercise.todos import is_todo_left, locate_todo, nearest_todo
from tests.helpers.stub_folder import STUB, STUDENT_WORK

# Assez pour couvrir les combinaisons, sans délai qui dépende de la machine.
quick = settings(max_examples=30, deadline=None)
SITES = '''\
# TODO 1 : relancez.
@task(
    # TODO 2 : trois fois.
)
def load():
    """Lit."""


class Model:
    # TODO 3 : une propriété.
    def score(self):
        # TODO 4 : le score.
        def half():
            # TODO 5 : la moitié.
            return 1
        return half()

# TODO 6 : publiez.
value = 1  # pas un TODO 7
'''


@pytest.mark.parametrize(
    ("number", "line", "function"),
    [
        (1, 1, "load"),
        (2, 3, "load"),
        (3, 10, "Model.score"),
        (4, 12, "Model.score"),
        (5, 14, "Model.score.half"),
        (6, 18, None),
    ],
)
def test_todo_site_names_its_function(number: int, line: int, function: str | None) -> None:
    """Un TODO désigne la fonction qui l'entoure, sinon la définition qui suit, sinon rien."""
    site = todo_sites(SITES)[number]

    assert TodoSite(number, line, function) == site


def test_only_comments_are_todo_sites() -> None:
    """Un TODO cité dans une chaîne ou au milieu d'un commentaire n'en est pas un."""
    sites = todo_sites('"""Voyez # TODO 1."""\nx = 1  # comme au TODO 2\n')

    assert {} == sites


def test_locate_finds_the_comment_the_student_kept() -> None:
    """Le `# TODO n` du fichier de l'étudiant passe avant tout."""
    line = locate_todo(STUB, f"import os\n\n{STUDENT_WORK}", 1)

    assert 10 == line


def test_locate_finds_the_function_when_the_comment_is_gone() -> None:
    """Sans le commentaire, c'est le `def` de la fonction, décorateur exclu."""
    line = locate_todo(STUB, "import os\n\n@task\ndef features(path):\n    return 1\n", 1)

    assert 4 == line


def test_locate_tells_methods_of_two_classes_apart() -> None:
    """La fonction est cherchée par son nom complet."""
    line = locate_todo(SITES, "class Other:\n    def score(self): ...\nclass Model:\n    def score(self): ...\n", 4)

    assert 4 == line


@pytest.mark.parametrize(
    "broken",
    ["x = (\n", "  x = 1\n y = 2\n", "if\n", "'''\n", "x = \0\n", f"x{'.a' * 6000}\n"],
    ids=["bracket", "indentation", "statement", "string", "null byte", "depth"],
)
def test_locate_survives_a_syntax_error(broken: str) -> None:
    """Un fichier qui ne compile pas est fouillé comme du texte."""
    with_comment = locate_todo(STUB, f"{broken}# TODO 1 : lisez\n", 1)
    with_function = locate_todo(STUB, f"{broken}async  def features(path): ...\n", 1)

    line = broken.count("\n") + 1
    assert (line, line) == (with_comment, with_function)


@pytest.mark.filterwarnings("error")
def test_locate_is_silent_about_bad_escapes() -> None:
    """Les avertissements du compilateur sur le texte de l'étudiant ne sortent pas d'ici."""
    line = locate_todo(STUB, "def features(path):\n    return '\\d'\ndef features(path): ...\n", 1)

    assert 3 == line


def test_locate_gives_nothing_for_a_renamed_function() -> None:
    """Ni commentaire ni fonction : rien, plutôt qu'une mauvaise ligne."""
    line = locate_todo(STUB, "def my_features(path): ...\n", 1)

    assert line is None


def test_locate_gives_nothing_for_an_unknown_number() -> None:
    """Un numéro que le stub ne connaît pas n'a pas de ligne."""
    line = locate_todo(STUB, "# TODO 12 : autre chose\n", 2)

    assert line is None


@quick
@pytest.mark.filterwarnings("error")
@given(st.text(alphabet="#def TODO1features()'\"\n\r\t\\\x00\x0c:é"))
def test_locate_never_raises_on_a_student_file(text: str) -> None:
    """Quel que soit le texte de l'étudiant, la recherche rend une de ses lignes ou rien."""
    line = locate_todo(STUB, text, 1)

    assert line is None or 1 <= line <= text.count("\n") + text.count("\r") + 1


SOLUTION = """\
from prefect import task

# TODO 1 : décorez,
# oui.
# BEGIN SOLUTION
@task
# END SOLUTION
def load():
    # TODO 2 : rendez.
    # BEGIN SOLUTION
    return 1
    # END SOLUTION


@task(
    name="train",
    # TODO 3 : relancez.
    # TODO 4 : trois fois.
    # BEGIN SOLUTION
    retries=3,
    # END SOLUTION
    # TODO 5 : attendez.
    # BEGIN SOLUTION
    retry_delay_seconds=10,
    # END SOLUTION
)
def train():
    return 2
"""
LEFT = make_stub(SOLUTION)
NAMED = '    name="train",\n'


def _left(source: str) -> set[int]:
    return {number for number in range(1, 6) if is_todo_left(SOLUTION, source, number)}


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (LEFT, {1, 2, 3, 4, 5}),
        ("\n\n" + LEFT, {1, 2, 3, 4, 5}),
        (LEFT.replace("def load", "@task\ndef load"), {2, 3, 4, 5}),
        (LEFT.replace("# TODO 1", "# TODO 1").replace("@task(\n", "load = task(load)\n\n\n@task(\n"), {2, 3, 4, 5}),
        (LEFT.replace('raise NotImplementedError("TODO 2")', "return 1"), {1, 3, 4, 5}),
        (LEFT.replace(NAMED, f"{NAMED}    retries=3,\n"), {1, 2, 5}),
        (LEFT.replace("attendez.\n", "attendez.\n    retries=3,\n"), {1, 2}),
        (LEFT.replace(NAMED, f"{NAMED}    retry_delay_seconds=10,\n"), {1, 2, 3, 4}),
        (LEFT.replace(NAMED, f"{NAMED}    cache_policy=None,\n"), {1, 2}),
        (LEFT.replace(NAMED, '    name="other",\n'), {1, 2}),
        (f"{LEFT}\n\nagain = train.with_options(retries=3)\n", set()),
        (LEFT.replace("def train", "def fit"), {1, 2}),
    ],
)
def test_todo_is_left_only_where_nothing_is_written(written: str, left: set[int]) -> None:
    """Un TODO reste à faire si rien n'est écrit pour lui : sous lui, plus bas dans les parenthèses, ou ailleurs."""
    assert left == _left(written)


def test_solution_leaves_nothing() -> None:
    """La solution, marques comprises ou non, n'a plus rien à faire."""
    assert set() == _left(SOLUTION)


@pytest.mark.parametrize(
    ("text", "todo"),
    [
        ("def load", 1),
        ("raise", 2),
        ("@task(", 3),
        ("# TODO 4", 4),
        ("# TODO 5", 5),
        ("return 2", 5),
    ],
)
def test_nearest_todo_is_that_of_the_definition(text: str, todo: int) -> None:
    """Une ligne concerne le TODO qui la précède dans sa définition, sinon le premier de celle-ci."""
    line = next(number for number, each in enumerate(LEFT.splitlines(), start=1) if text in each)

    assert todo == nearest_todo(LEFT, line)


def test_signature_concerns_the_todo_of_its_body() -> None:
    """Une faute dans l'en-tête d'une fonction concerne son TODO, pas celui de la fonction d'avant."""
    source = "def one():\n    # TODO 1\n    pass\n\n\ndef two(x=1 / 0):\n    # TODO 2\n    pass\n"

    assert 2 == nearest_todo(source, 6)


def test_unreadable_file_has_a_nearest_todo() -> None:
    """Dans un fichier que Python ne lit pas, c'est le dernier TODO qui précède la ligne."""
    broken = LEFT.replace("return 2", "return (2")

    assert 5 == nearest_todo(broken, len(broken.splitlines()))
    assert nearest_todo("x = (1\n", 1) is None


@quick
@given(st.text(alphabet="#def TODO1features()'\"\n\r\t\\\x00\x0c:é@"), st.integers(1, 5))
def test_questions_never_raise_on_a_student_file(text: str, number: int) -> None:
    """Quel que soit le texte de l'étudiant, on sait répondre, et l'on ne nomme que des TODO qui y sont."""
    numbers = {found for found, _ in todo_lines(text)}

    assert number in numbers or not is_todo_left(SOLUTION, text, number)
    assert nearest_todo(text, number) in {None, *numbers}
