"""Une erreur de syntaxe se lit en français, sous toutes les versions de Python que l'atelier connaît."""

import pytest

from atelier.sandbox.syntax import explained

# Ce que l'on écrit de travers, et un mot de l'explication.
WRONG = {
    "x = (1,\ny = 2\n": "ne se ferme jamais",
    "x = 1)\n": "sans s'être ouvert",
    "x = (1]\n": "« ( » se ferme par « ] »",
    "def f()\n    pass\n": "il manque « : »",
    "x = [1 2]\n": "une virgule",
    "f(a=1 b=2)\n": "une virgule",
    "if x = 1:\n    pass\n": "c'est « == »",
    "f() = 1\n": "c'est « == »",
    "x = 'abc\n": "il manque un guillemet",
    "x = '''abc\n": "triples guillemets",
    "x = f'{'\n": "accolade",
    "x = 1\n    y = 2\n": "trop en retrait",
    "def f():\n        x = 1\n    y = 2\n": "n'est celui d'aucune ligne",
    "def f():\nx = 1\n": "la définition de la ligne 1 n'a pas de corps",
    "if x:\ny = 1\n": "le « if » de la ligne 1 n'a pas de corps",
    "if x:\n        y = 1\n\tz = 2\n": "des tabulations et des espaces",
    "return 1\n": "« return » n'a pas sa place ici",
    "def f():\n    await g()\n": "« await » n'a pas sa place ici",
    "f(a=1, 2)\n": "sans nom vient après un argument nommé",
    "f(a=1, a=2)\n": "« a » est donné deux fois",
    "def f(a=1, b): pass\n": "sans valeur par défaut",
    "try:\n    x = 1\ny = 2\n": "un « try » sans",
    "x = “a”\n": "le caractère « “ »",
    "x =\u00a01\n": "une espace insécable",
    "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> b\n": "marque de conflit de git, « <<<<<<< »",
    "def f():\n    x = 1\n=======\n": "marque de conflit de git, « ======= »",
    "else:\n    pass\n": "Python ne comprend pas cette ligne",
}


@pytest.mark.parametrize(("source", "meaning"), WRONG.items(), ids=list(WRONG.values()))
def test_usual_mistake_is_said_in_french(source: str, meaning: str) -> None:
    """Les fautes que l'on fait en apprenant ont leur explication, sans un mot d'anglais."""
    with pytest.raises(SyntaxError) as caught:
        compile(source, "kata.py", "exec", dont_inherit=True)
    line = source.splitlines()[(caught.value.lineno or 1) - 1]
    told = explained(caught.value.msg, line)

    assert meaning in told
    assert "Python dit" not in told


def test_rare_mistake_keeps_the_words_of_python() -> None:
    """Une faute que l'on n'a pas prévue : les mots de Python, que l'on peut chercher."""
    assert "Python dit : too many statically nested blocks" == explained(
        "too many statically nested blocks", "for x in y:"
    )
