"""Une erreur courante, telle que ce Python la dit, se lit en français."""

import asyncio  # noqa: F401
import re  # noqa: F401

import pytest

from atelier.sandbox.runtime_errors import in_french


def one() -> int:
    return 1


def two(a: int, b: int, *, c: int) -> int:
    return a + b + c


def maybe(a: int, b: int = 1) -> int:
    return a + b


def unset() -> None:
    print(later)  # noqa: F821
    later = 1  # noqa: F841


def imported() -> None:
    from json import absent  # noqa: F401


def grown() -> None:
    counts = {1: 1}
    for key in counts:
        counts[key + 1] = 1


def unpacked(values: object) -> None:
    _a, _b = values


def replaced(values: object) -> None:
    values[0] = 1


def refused() -> None:
    raise ValueError("une autre sorte de division")


async def awaited(value: object) -> None:
    await value


ERRORS = {
    "one(1)": "one() n'attend aucun argument, et en reçoit 1",
    "two(1, 2, 3)": "two() attend 2 arguments, et en reçoit 3",
    "maybe(1, 2, 3)": "maybe() attend de 1 à 2 arguments, et en reçoit 3",
    "(lambda x: x)(1, 2, 3)": "<lambda>() attend 1 argument, et en reçoit 3",
    "two(c=1)": "two() est appelée sans « a » ni « b »",
    "two(1, 2)": "two() est appelée sans « c »",
    "one(size=1)": "one() n'a pas de paramètre « size »",
    "maybe(1, a=1)": "maybe() reçoit deux fois « a »",
    "'x'()": "un « str » ne s'appelle pas",
    "absent": "« absent » n'est défini nulle part",
    "unset()": "« later » est lu dans la fonction avant d'y avoir une valeur",
    "None.size": "« .size » est demandé à `None`",
    "re.absent": "le module `re` n'a pas de « absent »",
    "int.absent": "la classe « int » n'a pas de « absent »",
    "(1).absent": "un « int » n'a pas de « absent »",
    "imported()": "« absent » n'est pas dans le module `json`",
    "None[0]": "`None` n'a pas d'éléments",
    "(1)[0]": "un « int » n'a pas d'éléments",
    "replaced((1, 2))": "un élément d'un « tuple » ne se remplace pas",
    "list(1)": "un « int » ne se parcourt pas",
    "unpacked(1)": "un « int » ne se sépare pas",
    "unpacked([1, 2, 3])": "valeurs attendues : 2 ; il y en a plus",
    "unpacked([1])": "valeurs attendues : 2 ; reçues : 1",
    "len(1)": "un « int » n'a pas de longueur",
    "{[]: 1}": "un « list » ne peut être ni une clé",
    "[1][1]": "il n'y a pas d'élément à cette place",
    "(1,)[1]": "il n'y a pas d'élément à cette place",
    "'a'[1]": "il n'y a pas d'élément à cette place",
    "1 + 'a'": "l'opération `+` n'existe pas entre un « int » et un « str »",
    "'a' + 1": "un « str » ne s'ajoute qu'à un autre, pas à un « int »",
    "[] + ()": "un « list » ne s'ajoute qu'à un autre, pas à un « tuple »",
    "1 < 'a'": "la comparaison `<` n'existe pas entre un « int » et un « str »",
    "1 / 0": "on divise par zéro",
    "1.0 / 0": "on divise par zéro",
    "1 // 0": "on divise par zéro",
    "1 % 0": "on divise par zéro",
    "1.0 // 0": "on divise par zéro",
    "1.0 % 0": "on divise par zéro",
    "refused()": "une autre sorte de division",
    "max([])": "`max` n'a rien à comparer",
    "float('abc')": "« abc » n'est pas un nombre",
    "int('1.5')": "« 1.5 » n'est pas un nombre entier",
    "grown()": "le dictionnaire change de taille",
    "asyncio.run(awaited(1))": "un « int » ne s'attend pas avec `await`",
    "{}['a']": "'a'",
}


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize(("code", "meaning"), ERRORS.items())
def test_error_is_explained(code: str, meaning: str) -> None:
    """L'erreur vient de ce Python : ses mots changent d'une version à l'autre. Les autres restent telles quelles."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - toutes sortes d'erreurs, dont on lit le message
        eval(code)

    assert in_french(str(raised.value)).startswith(meaning)
