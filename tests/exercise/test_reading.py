"""Une source mal marquée est refusée, à sa ligne, par un message qui dit que faire."""

import pytest

from atelier.exercise.marks import make_stub
from atelier.exercise.reading import StubError

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
