"""Une erreur d'appel ou de nom, telle que ce Python la dit, se lit en français."""

import pytest

from atelier.sandbox.calls import in_french


def one() -> int:
    return 1


def two(a: int, b: int, *, c: int) -> int:
    return a + b + c


def maybe(a: int, b: int = 1) -> int:
    return a + b


def unset() -> None:
    print(later)  # noqa: F821
    later = 1  # noqa: F841


CALLS = {
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
    "1 / 0": "division by zero",
}


@pytest.mark.filterwarnings("ignore:'str' object is not callable")
@pytest.mark.parametrize(("code", "meaning"), CALLS.items())
def test_call_is_explained(code: str, meaning: str) -> None:
    """L'erreur vient de ce Python : ses mots changent d'une version à l'autre. Les autres restent telles quelles."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - toutes sortes d'erreurs, dont on lit le message
        eval(code)

    assert in_french(str(raised.value)).startswith(meaning)
