"""Le générateur de mutants abîme ce que l'étudiant écrit, et rien d'autre."""

import ast

from tools.mutations import mutants

SOURCE = '''\
"""Un module."""


@task(
    # BEGIN SOLUTION
    retries=3,
    # END SOLUTION
    timeout=5,
)
def decide(value):
    """Décide."""
    # BEGIN SOLUTION
    return value > 2 and not seen(value)
    # END SOLUTION


def given(value):
    return value + 1
'''


def test_only_the_solution_is_altered() -> None:
    """Hors des marques, rien ne change : ni le code donné, ni les docstrings."""
    for mutant in mutants(SOURCE):
        tree = ast.parse(mutant.source)
        given = ast.unparse(tree.body[-1])

        assert (given, True) == ("def given(value):\n    return value + 1", "timeout=5" in mutant.source)


def test_each_mutant_differs_from_the_others_and_from_the_solution() -> None:
    """Un mutant est un vrai changement, et un seul exemplaire de chacun est joué."""
    solution = ast.unparse(ast.parse(SOURCE)) + "\n"
    sources = [mutant.source for mutant in mutants(SOURCE)]

    assert len(sources) == len({*sources} - {solution})


def test_usual_blunders_are_among_the_mutants() -> None:
    """Les étourderies courantes y sont : argument oublié, borne décalée, condition inversée, valeur non rendue."""
    changes = {mutant.change for mutant in mutants(SOURCE)}

    assert changes >= {"sans retries=3", "3 → 4", "3 → 2", "Gt → GtE", "And → Or", "sans not", "rend None"}
