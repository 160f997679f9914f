"""Où est un TODO : dans la solution, dans le fichier d'un étudiant, et s'il y reste à faire."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelier.exercise.marks import TodoSite, is_todo_left, locate_todo, todo_sites
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


@pytest.mark.parametrize("number", [1, 2, 3])
def test_todo_is_left_until_its_place_changes(number: int) -> None:
    """Un TODO reste à faire tant que la ligne qui le suit est celle du stub, où que soit descendu le commentaire."""
    stub = "# TODO 1 : décorez,\n# oui.\ndef load():\n    # TODO 2 : rendez.\n    raise X\n@task(\n    # TODO 3\n)\n"
    done = stub.replace("def", "@task\ndef").replace("raise X", "return 1").replace("TODO 3", "TODO 3\n    retries=3,")

    assert (True, False) == (
        is_todo_left(stub, "\n" + stub, number),
        is_todo_left(stub, done, number),
    )
