"""Ce qu'un bloc de solution devient dans le stub, et ce qui n'y passe jamais."""

from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelier.exercise.marks import make_stub, todo_sites
from tests.helpers.stub_folder import SOLUTION, STUB


def stub_of(source: str) -> str:
    return make_stub(dedent(source))


def test_block_in_a_function_raises_its_todo_number() -> None:
    """Dans une fonction, le bloc devient l'exception du TODO qui le précède, même sur plusieurs lignes."""
    stub = make_stub(SOLUTION)

    assert STUB == stub


def test_block_in_a_method_raises_at_its_indentation() -> None:
    """Dans une méthode, l'exception prend l'indentation du repère."""
    stub = stub_of("""\
        class Model:
            async def fit(self):
                if self.ready:
                    # TODO 1 : entraînez.
                    # BEGIN SOLUTION
                    self.fitted = True
                    # END SOLUTION
        """)

    assert '            raise NotImplementedError("TODO 1")\n' in stub


def test_block_at_module_level_disappears() -> None:
    """Au niveau du module, le bloc disparaît et son TODO reste."""
    stub = stub_of("""\
        # TODO 1 : relancez cette task.
        # BEGIN SOLUTION
        @task(retries=3)
        # END SOLUTION
        def load():
            ...
        """)

    assert "# TODO 1 : relancez cette task.\ndef load():\n    ...\n" == stub


def test_block_in_a_class_body_disappears() -> None:
    """Dans une classe mais hors d'une méthode, le bloc disparaît comme au niveau du module."""
    stub = stub_of("""\
        class Model:
            # TODO 1 : faites-en une propriété.
            # BEGIN SOLUTION
            @property
            # END SOLUTION
            def score(self):
                return 1
        """)

    assert ["class Model:", "    # TODO 1 : faites-en une propriété.", "    def score(self):"] == stub.split("\n")[:3]


def test_block_under_a_module_level_if_disappears() -> None:
    """Sous un `if` du module, une exception partirait à l'import : le bloc disparaît."""
    stub = stub_of("""\
        if True:
            # TODO 1 : lancez.
            # BEGIN SOLUTION
            print("parti")
            # END SOLUTION
            print("fini")
        """)

    assert 'if True:\n    # TODO 1 : lancez.\n    print("fini")\n' == stub


@pytest.mark.parametrize(
    ("opening", "closing"), [("@task(", ")\ndef load(): ..."), ("value = [", "]"), ("def load(", "): ...")]
)
def test_block_in_an_open_bracket_disappears(opening: str, closing: str) -> None:
    """Entre deux parenthèses ou crochets, même dans une signature, le bloc disparaît."""
    start = f"{opening}\n    first,\n    # TODO 1 : complétez.\n"

    stub = make_stub(f"{start}    # BEGIN SOLUTION\n    second,\n    # END SOLUTION\n{closing}\n")

    assert f"{start}{closing}\n" == stub


def test_block_in_a_bracket_inside_a_function_disappears() -> None:
    """Les arguments d'un appel disparaissent aussi dans une fonction."""
    stub = stub_of("""\
        def load():
            return call(
                # TODO 1 : passez l'adresse.
                # BEGIN SOLUTION
                url="http",
                # END SOLUTION
            )
        """)

    assert "NotImplementedError" not in stub
    assert "url" not in stub


def test_function_with_two_todos_raises_twice() -> None:
    """Chaque bloc d'une fonction porte le numéro du dernier TODO qui le précède."""
    stub = stub_of("""\
        def train():
            # TODO 1 : préparez.
            # BEGIN SOLUTION
            data = 1
            # END SOLUTION
            # TODO 2 : entraînez.
            # BEGIN SOLUTION
            return data
            # END SOLUTION
        """)

    raises = [line.strip() for line in stub.splitlines() if "raise" in line]
    assert ['raise NotImplementedError("TODO 1")', 'raise NotImplementedError("TODO 2")'] == raises


def test_blocks_may_share_a_todo() -> None:
    """Deux blocs après un même TODO portent le même numéro."""
    stub = stub_of("""\
        def train():
            # TODO 1 : préparez, puis entraînez.
            # BEGIN SOLUTION
            data = 1
            # END SOLUTION
            print("prêt")
            # BEGIN SOLUTION
            return data
            # END SOLUTION
        """)

    assert 2 == stub.count('raise NotImplementedError("TODO 1")')


def test_block_in_a_nested_function_raises() -> None:
    """Une fonction définie dans une fonction reste une fonction."""
    stub = stub_of("""\
        def outer():
            def inner():
                # TODO 1 : rendez 1.
                # BEGIN SOLUTION
                return 1
                # END SOLUTION
            return inner
        """)

    assert '        raise NotImplementedError("TODO 1")\n    return inner\n' in stub


def test_block_in_a_function_under_an_if_raises() -> None:
    """Une fonction définie sous un `if` ou un `try` reste une fonction."""
    stub = stub_of("""\
        try:
            import fast
        except ImportError:
            def load():
                # TODO 1 : rendez 1.
                # BEGIN SOLUTION
                return 1
                # END SOLUTION
        """)

    assert stub.endswith('        raise NotImplementedError("TODO 1")\n')


def test_block_after_a_function_is_at_module_level() -> None:
    """Un bloc qui suit une fonction ne lui appartient pas."""
    stub = stub_of("""\
        def load():
            return 1
        # TODO 1 : appelez-la.
        # BEGIN SOLUTION
        value = load()
        # END SOLUTION
        """)

    assert "def load():\n    return 1\n# TODO 1 : appelez-la.\n" == stub


@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 2), (1, 1), (2, 0), (2, 2), (4, 3)])
def test_vanished_block_leaves_two_blank_lines_at_most(before: int, after: int) -> None:
    """Autour d'un bloc disparu, il reste le plus grand des deux écarts, et deux lignes vides au plus."""
    start, block = "# TODO 1 : ajoutez b.\n", "# BEGIN SOLUTION\nb = 2\n# END SOLUTION\n"
    left, right = "\n" * before, "\n" * after

    stub = make_stub(f"{start}{left}{block}{right}c = 3\n")

    blanks = min(2, max(before, after)) * "\n"
    assert f"{start}{blanks}c = 3\n" == stub


def test_stub_ends_with_one_newline() -> None:
    """Un bloc final ne laisse pas de lignes vides derrière lui."""
    stub = make_stub("# TODO 1 : définissez b.\n\n\n# BEGIN SOLUTION\nb = 2\n# END SOLUTION\n\n")

    assert "# TODO 1 : définissez b.\n" == stub


def test_blank_lines_in_a_string_are_kept() -> None:
    """Une chaîne n'est jamais remise en forme."""
    text = 'text = """\n\n\n\n# BEGIN SOLUTION\n# TODO 7\n"""\n'

    stub = make_stub(f"{text}# TODO 1 : définissez b.\n# BEGIN SOLUTION\nb = 2\n# END SOLUTION\n")

    assert stub.startswith(text)


def test_unused_imports_are_kept() -> None:
    """Les imports sont donnés exprès, même si le stub ne s'en sert pas encore."""
    stub = make_stub(SOLUTION)

    assert "from prefect import task\n" in stub


# Assez pour couvrir les combinaisons, sans délai qui dépende de la machine.
quick = settings(max_examples=30, deadline=None)
BODIES = st.lists(st.sampled_from(["secret = 1", "if secret:\n    secret()", "", "# secret", '"""\nsecret\n"""']))


@st.composite
def solutions(draw: st.DrawFn) -> str:
    """Des fonctions et des méthodes dont chaque ligne dit, par son nom, si elle doit rester."""
    parts = ['"""Kata."""\n']
    indents = draw(st.lists(st.sampled_from(["", "    "]), min_size=1, max_size=4))
    for number, indent in enumerate(indents, start=1):
        body = "\n".join([*draw(BODIES), "return secret"])
        lines = [
            *([f"class Kept{number}:"] if indent else []),
            f"{indent}def kept_{number}():",
            f"{indent}    # TODO {number} : kept",
            f"{indent}    # BEGIN SOLUTION",
            *(f"{indent}    {line}" for line in body.split("\n")),
            f"{indent}    # END SOLUTION",
        ]
        parts.append("\n".join(lines) + "\n")
    return ("\n" * draw(st.integers(0, 3))).join(parts)


@quick
@given(solutions())
def test_stub_holds_nothing_of_a_block(source: str) -> None:
    """Rien de ce qui est entre deux repères ne passe dans le stub."""
    stub = make_stub(source)

    assert "secret" not in stub
    assert "SOLUTION" not in stub


@quick
@given(solutions())
def test_stub_keeps_every_line_outside_blocks(source: str) -> None:
    """Hors des blocs, chaque ligne reste, dans l'ordre."""
    visible, hidden = [], False
    for line in source.splitlines():
        hidden = hidden or "# BEGIN SOLUTION" in line
        visible += [] if hidden else [line]
        hidden = hidden and "# END SOLUTION" not in line

    stub = make_stub(source)

    assert visible == [line for line in stub.splitlines() if "raise NotImplementedError" not in line]


@quick
@given(solutions())
def test_solution_and_stub_agree_on_todo_sites(source: str) -> None:
    """Le stub garde chaque TODO de la solution, dans la même fonction."""
    expected = {number: site.function for number, site in todo_sites(source).items()}

    found = {number: site.function for number, site in todo_sites(make_stub(source)).items()}

    assert expected == found
