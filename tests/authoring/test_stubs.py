"""Les règles du générateur de stubs : ce qu'il retire, ce qu'il refuse, ce qu'il ne détruit jamais."""
# L'attendu s'écrit à gauche du résultat, contre l'avis de SIM300.

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelier.authoring import stubs
from atelier.authoring.stubs import main
from atelier.exercise.history import is_untouched
from atelier.exercise.marks import TodoSite, is_todo_left, locate_todo, make_stub, todo_sites
from atelier.exercise.reading import StubError
from atelier.machine import files

KEY = "03_cache/prefect_cache.py"
COPY = "prefect_cache.py.2026-11-22_140533.bak"
SOLUTION = '''\
"""Kata 03 : le cache."""

from prefect import task


def features(path):
    """Calcule les variables."""
    # TODO 1 : lisez le fichier,
    # puis comptez ses lignes.
    # BEGIN SOLUTION
    return len(open(path).readlines())
    # END SOLUTION
'''
STUB = '''\
"""Kata 03 : le cache."""

from prefect import task


def features(path):
    """Calcule les variables."""
    # TODO 1 : lisez le fichier,
    # puis comptez ses lignes.
    raise NotImplementedError("TODO 1")
'''
NEW_SOLUTION = SOLUTION.replace("comptez ses lignes", "comptez-les")
NEW_STUB = STUB.replace("comptez ses lignes", "comptez-les")
STUDENT_WORK = STUB.replace('raise NotImplementedError("TODO 1")', "return 42")


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


BAD_SOURCES = {
    "END sans BEGIN": (
        5,
        "# TODO 1\n# BEGIN SOLUTION\na = 1\n# END SOLUTION\n# END SOLUTION\n",
        "ajoutez-le",
    ),
    "BEGIN dans un bloc": (4, "# TODO 1\n# BEGIN SOLUTION\na = 1\n# BEGIN SOLUTION\n", "bloc ouvert ligne 2"),
    "BEGIN jamais fermé": (2, "# TODO 1\n# BEGIN SOLUTION\na = 1\n", "jamais fermé"),
    "aucun bloc": (1, "# TODO 1\na = 1\n", "aucun bloc"),
    "bloc sans TODO": (1, "# BEGIN SOLUTION\na = 1\n# END SOLUTION\n# TODO 1\n", "bloc sans `# TODO n`"),
    "TODO qui commencent à 2": (1, "# TODO 2\n# BEGIN SOLUTION\na = 1\n# END SOLUTION\n", "TODO 1 attendu"),
    "TODO répété": (2, "# TODO 1\n# TODO 1\n# BEGIN SOLUTION\na = 1\n# END SOLUTION\n", "TODO 2 attendu"),
    "TODO sans numéro": (1, "# TODO : a\n# BEGIN SOLUTION\na = 1\n# END SOLUTION\n", "TODO 1 attendu"),
    "TODO dans un bloc": (
        3,
        "# TODO 1\n# BEGIN SOLUTION\n# TODO 2\na = 1\n# END SOLUTION\n",
        "avant `# BEGIN",
    ),
    "bloc vide": (2, "# TODO 1\n# BEGIN SOLUTION\n# rien\n# END SOLUTION\n", "bloc vide"),
    "repère en minuscules": (2, "# TODO 1\n# begin solution\na = 1\n# END SOLUTION\n", "repère mal écrit"),
    "repère de nbgrader": (2, "# TODO 1\n### BEGIN SOLUTION\na = 1\n### END SOLUTION\n", "repère mal écrit"),
    "repère après du code": (2, "# TODO 1\na = 1  # BEGIN SOLUTION\n# END SOLUTION\n", "seul sur sa ligne"),
    "repère décalé": (3, "def f():\n    # TODO 1\n# BEGIN SOLUTION\n    a = 1\n# END SOLUTION\n", "alignez"),
    "bloc sur deux fonctions": (
        3,
        "def f():\n    # TODO 1\n    # BEGIN SOLUTION\n    a = 1\ndef g():\n    b = 2\n    # END SOLUTION\n",
        "dans une seule fonction",
    ),
    "parenthèse coupée": (
        5,
        "# TODO 1\n# BEGIN SOLUTION\nf(\n    # END SOLUTION\n    a)\n",
        "ne compile pas",
    ),
    "classe vidée": (
        6,
        "class A:\n    # TODO 1\n    # BEGIN SOLUTION\n    a = 1\n    # END SOLUTION\nb = 2\n",
        "(expected an indented block after class definition)",
    ),
    "solution qui ne compile pas": (3, "# TODO 1\n# BEGIN SOLUTION\nif\n# END SOLUTION\n", "corrigez-la"),
}


@pytest.mark.parametrize(("line", "source", "advice"), BAD_SOURCES.values(), ids=BAD_SOURCES)
def test_bad_source_is_refused_where_it_is_wrong(line: int, source: str, advice: str) -> None:
    """Une source fautive est refusée par un message qui dit où et que faire."""
    with pytest.raises(StubError) as refusal:
        make_stub(source, "solutions/03_cache/prefect_cache.py")

    place, _, problem = str(refusal.value).partition(": ")
    assert advice in problem
    assert problem.endswith(".")
    assert f"solutions/03_cache/prefect_cache.py:{line}" == place


def test_compile_error_is_placed_in_the_solution() -> None:
    """La ligne d'un stub qui ne compile pas est donnée dans la solution, pas dans le stub."""
    source = (
        "# TODO 1 : a.\n# BEGIN SOLUTION\na = 1\nb = 2\n# END SOLUTION\n"
        "# TODO 2 : b.\n# BEGIN SOLUTION\nif a:\n# END SOLUTION\n    b = 3\n"
    )

    with pytest.raises(StubError, match=r"^s\.py:10: le stub ne compile pas ici \(unexpected indent\)"):
        make_stub(source, "s.py")


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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "solutions" / KEY, SOLUTION)
    return tmp_path


@pytest.fixture
def kata(root: Path) -> Path:
    return root / "katas" / KEY


@pytest.fixture
def generated(root: Path, kata: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Le stub, écrit une première fois."""
    run(root)
    capsys.readouterr()
    return kata


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())


def run(root: Path, *arguments: str) -> int:
    return main(["--root", str(root), *arguments])


def snapshot(root: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_missing_kata_is_created(root: Path, kata: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un kata absent est créé, et la ligne le dit."""
    code = run(root)

    assert 0 == code
    assert STUB.encode() == kata.read_bytes()
    assert f"katas/{KEY} : créé\n" == capsys.readouterr().out


def test_fresh_kata_is_left_alone(root: Path, generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un stub à jour n'est pas réécrit, même si git lui a donné des CRLF."""
    write(generated, STUB.replace("\n", "\r\n"))
    before = snapshot(root)

    code = run(root)

    assert 0 == code
    assert before == snapshot(root)
    assert f"katas/{KEY} : à jour\n" == capsys.readouterr().out


def test_old_stub_is_updated(root: Path, generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un stub d'hier, intact, suit la solution."""
    write(root / "solutions" / KEY, NEW_SOLUTION)

    code = run(root)

    assert 0 == code
    assert NEW_STUB == generated.read_text(encoding="utf-8")
    assert f"katas/{KEY} : mis à jour\n" == capsys.readouterr().out


def test_stub_of_two_versions_ago_is_updated(root: Path, generated: Path) -> None:
    """Tout stub jamais produit est reconnu, pas seulement le dernier."""
    write(root / "solutions" / KEY, NEW_SOLUTION)
    run(root)
    write(generated, STUB)

    code = run(root)

    assert 0 == code
    assert NEW_STUB == generated.read_text(encoding="utf-8")


def test_student_work_is_refused(root: Path, generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un travail commencé n'est pas touché, et la commande échoue."""
    write(generated, STUDENT_WORK)
    write(root / "solutions" / KEY, NEW_SOLUTION)
    before = snapshot(root)

    code = run(root)

    assert 1 == code
    assert before == snapshot(root)
    assert f"katas/{KEY} : refusé" in capsys.readouterr().out


def test_unknown_file_is_refused_without_a_history(root: Path, kata: Path) -> None:
    """Sans historique, tout fichier qui n'est pas le stub du jour est tenu pour un travail."""
    write(kata, NEW_STUB)

    code = run(root)

    assert 1 == code
    assert NEW_STUB == kata.read_text(encoding="utf-8")


@pytest.mark.usefixtures("fixed_clock")
def test_force_keeps_a_dated_copy(root: Path, generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Avec --force, le travail est d'abord copié à côté, à l'octet près."""
    work = STUDENT_WORK.encode().replace(b"\n", b"\r\n") + b"# \xe9 en latin-1"
    generated.write_bytes(work)

    code = run(root, "--force")

    assert 0 == code
    assert work == generated.with_name(COPY).read_bytes()
    assert STUB == generated.read_text(encoding="utf-8")
    assert COPY in capsys.readouterr().out


@pytest.mark.usefixtures("fixed_clock")
def test_copies_of_the_same_second_are_all_kept(root: Path, generated: Path) -> None:
    """Deux copies dans la même seconde ne s'écrasent pas."""
    for work in ("first = 1\n", "second = 2\n", "third = 3\n"):
        write(generated, work)
        run(root, "--force")

    copies = {copy.read_text(encoding="utf-8") for copy in generated.parent.glob("*.bak")}
    assert {"first = 1\n", "second = 2\n", "third = 3\n"} == copies


def test_force_copies_nothing_when_there_is_no_work(root: Path, generated: Path) -> None:
    """Un stub intact ou périmé n'a pas besoin de copie."""
    run(root, "--force")
    write(root / "solutions" / KEY, NEW_SOLUTION)
    run(root, "--force")

    assert [generated] == list(generated.parent.iterdir())


def test_work_stays_when_its_copy_fails(
    root: Path, generated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Si la copie échoue, le travail n'est pas remplacé."""
    write(generated, STUDENT_WORK)
    monkeypatch.setattr(files, "_write_new", fail)

    code = run(root, "--force")

    assert 2 == code
    assert STUDENT_WORK == generated.read_text(encoding="utf-8")
    assert "disque plein" in capsys.readouterr().err


def test_crash_while_writing_leaves_the_old_stub(root: Path, generated: Path, full_disk: None) -> None:
    """L'écriture est atomique : un arrêt avant la fin laisse l'ancien fichier, et rien d'autre."""
    write(root / "solutions" / KEY, NEW_SOLUTION)

    code = run(root)

    assert 2 == code
    assert STUB == generated.read_text(encoding="utf-8")
    assert [generated] == list(generated.parent.iterdir())


def test_history_is_written_before_the_stub(root: Path, generated: Path, full_disk: None) -> None:
    """Après un arrêt entre les deux écritures, le nouveau stub est déjà connu."""
    write(root / "solutions" / KEY, NEW_SOLUTION)
    run(root)

    write(generated, NEW_STUB)

    assert is_untouched(generated, root)


def test_stub_found_in_place_enters_the_history(root: Path, generated: Path) -> None:
    """Un stub à jour que l'historique a perdu y revient."""
    (root / "solutions" / "stubs.json").unlink()

    code = run(root)

    assert 0 == code
    assert is_untouched(generated, root)


def test_stub_is_readable_by_others(root: Path, generated: Path) -> None:
    """Le stub suit l'umask, pour que les conteneurs voisins puissent le lire."""
    reference = root / "reference"
    reference.touch()

    assert reference.stat().st_mode == generated.stat().st_mode


def test_history_has_one_sorted_digest_per_line(root: Path, generated: Path) -> None:
    """L'historique est trié, une empreinte par ligne, pour que git fusionne bien."""
    write(root / "solutions" / "01_retries" / "prefect_retries.py", SOLUTION)
    for version in range(5):
        write(root / "solutions" / KEY, SOLUTION.replace("TODO 1 :", f"TODO 1 : v{version},"))
        run(root)

    text = (root / "solutions" / "stubs.json").read_text(encoding="utf-8")
    history = json.loads(text)
    assert ["01_retries/prefect_retries.py", KEY] == list(history)
    assert sorted(history[KEY]) == history[KEY]
    assert 1 + 6 == sum(len(line.strip(' ",')) == 64 for line in text.splitlines())


@pytest.mark.parametrize("content", ["<<<<<<< HEAD\n", "[]", '{"a": "b"}'])
def test_unreadable_history_is_unusable(
    root: Path, generated: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Un historique abîmé arrête tout : il protège le travail des étudiants."""
    write(root / "solutions" / "stubs.json", content)
    before = snapshot(root)

    code = run(root)

    assert 2 == code
    assert before == snapshot(root)
    assert capsys.readouterr().err.startswith("solutions/stubs.json:1: historique illisible")


@pytest.mark.parametrize("content", [STUB, STUB.replace("\n", "  \r\n"), STUB.rstrip(), f"\ufeff{STUB}\n\n"])
def test_generated_stub_is_untouched(root: Path, generated: Path, content: str) -> None:
    """Fins de ligne, blancs finaux et BOM ne sont pas un travail."""
    write(generated, content)

    assert is_untouched(generated, root)


@pytest.mark.parametrize("content", [STUDENT_WORK, "", STUB.replace("    raise", "  raise"), "é\udcff"])
def test_edited_stub_is_touched(root: Path, generated: Path, content: str) -> None:
    """Tout autre changement est un travail."""
    generated.write_bytes(content.encode(errors="surrogateescape"))

    assert not is_untouched(generated, root)


def test_file_without_a_known_stub_is_touched(root: Path, generated: Path) -> None:
    """Un fichier absent, d'un autre kata ou d'ailleurs n'est pas un stub connu."""
    elsewhere = root / "prefect_cache.py"
    other_kata = root / "katas" / "04_parallelism" / "prefect_parallelism.py"
    write(elsewhere, STUB)
    write(other_kata, STUB)

    absent = generated.with_name("absent.py")

    assert not any(is_untouched(file, root) for file in (elsewhere, other_kata, absent))


def test_unreadable_history_means_touched(root: Path, generated: Path) -> None:
    """Sans historique lisible, le harnais tient le fichier pour un travail, sans s'arrêter."""
    write(root / "solutions" / "stubs.json", "<<<<<<< HEAD\n")

    assert not is_untouched(generated, root)


@pytest.mark.parametrize(
    ("kata_text", "solution", "verdict"),
    [
        (STUB, SOLUTION, "à jour"),
        (STUB, NEW_SOLUTION, "périmé"),
        (STUDENT_WORK, SOLUTION, "modifié à la main"),
        (None, SOLUTION, "absent"),
        (NEW_STUB, NEW_SOLUTION, "inconnu de l'historique"),
    ],
)
def test_check_reports_and_writes_nothing(
    root: Path,
    generated: Path,
    kata_text: str | None,
    solution: str,
    verdict: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """--check n'écrit rien, et ne rend 0 que pour un stub à jour et connu."""
    write(root / "solutions" / KEY, solution)
    generated.unlink()
    if kata_text is not None:
        write(generated, kata_text)
    before = snapshot(root)

    code = run(root, "--check")

    assert (0 if verdict == "à jour" else 1) == code
    assert before == snapshot(root)
    assert capsys.readouterr().out.startswith(f"katas/{KEY} : {verdict}")


def test_bad_source_does_not_stop_the_others(root: Path, kata: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Une source fautive donne le code 2 ; les autres stubs sont écrits."""
    write(root / "solutions" / "01_retries" / "prefect_retries.py", "x = 1\n")

    code = run(root)

    assert 2 == code
    assert kata.exists()
    assert capsys.readouterr().err.startswith("solutions/01_retries/prefect_retries.py:1: aucun bloc")


def test_source_in_another_encoding_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Une solution qui n'est pas en UTF-8 est refusée, pas devinée."""
    (root / "solutions" / KEY).write_bytes(SOLUTION.encode("latin-1") + "# é".encode("latin-1"))

    code = run(root)

    assert 2 == code
    assert "UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["03_cache", "solutions/03_cache/", "katas/03_cache"])
def test_named_kata_is_the_only_one_written(root: Path, kata: Path, name: str) -> None:
    """Un nom de kata, ou le chemin que le shell complète, limite le travail à lui."""
    write(root / "solutions" / "01_retries" / "prefect_retries.py", SOLUTION)

    code = run(root, name)

    assert 0 == code
    assert ["03_cache"] == [folder.name for folder in (root / "katas").iterdir()]


def test_unknown_kata_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un kata inconnu est dit, avec ceux qui existent."""
    code = run(root, "12_nowhere")

    assert 2 == code
    assert "12_nowhere : kata sans solution ; katas connus : 03_cache.\n" == capsys.readouterr().err


def test_root_without_solutions_is_unusable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Une racine sans solutions est une erreur, pas un succès vide."""
    code = run(tmp_path)

    assert 2 == code
    assert "aucune solution" in capsys.readouterr().err


def test_module_runs_from_the_command_line(root: Path, kata: Path) -> None:
    """`python -m atelier.stubs` écrit les stubs et rend le code de sortie."""
    command = [sys.executable, "-m", "atelier.authoring.stubs", "--root", str(root)]
    workshop = Path(stubs.__file__).parents[2]

    codes = [subprocess.run(command, cwd=workshop, check=False).returncode]
    write(kata, STUDENT_WORK)
    codes.append(subprocess.run(command, cwd=workshop, check=False).returncode)

    assert [0, 1] == codes


@pytest.fixture
def full_disk(generated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Le stub, et lui seul, ne peut plus être mis en place."""
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: fail() if new == generated else replace(old, new))


@pytest.fixture
def fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_timestamp", lambda: "2026-11-22_140533")


def fail(*_: object) -> None:
    raise OSError(28, "disque plein", "prefect_cache.py")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_todo_is_left_until_its_place_changes(number: int) -> None:
    """Un TODO reste à faire tant que la ligne qui le suit est celle du stub, où que soit descendu le commentaire."""
    stub = "# TODO 1 : décorez,\n# oui.\ndef load():\n    # TODO 2 : rendez.\n    raise X\n@task(\n    # TODO 3\n)\n"
    done = stub.replace("def", "@task\ndef").replace("raise X", "return 1").replace("TODO 3", "TODO 3\n    retries=3,")

    assert (True, False) == (
        is_todo_left(stub, "\n" + stub, number),
        is_todo_left(stub, done, number),
    )
