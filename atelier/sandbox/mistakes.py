"""Les façons, pour un fichier d'étudiant, de ne pas aboutir : à chacune son exception.

Les pannes de la machine sont dans `machine/errors.py`.
"""

from pathlib import Path

# La note que porte une erreur survenue pendant que le fichier se charge, donc avant le corps du test.
LOADING = "pendant le chargement du fichier"


class StudentMistake(Exception):
    """Le fichier de l'étudiant est en cause, et le harnais sait le dire mieux que Python.

    `expected` et `got` sont les deux moitiés du message ; `path` et `line` disent où regarder.
    """

    def __init__(self, expected: str, got: str, path: Path | str | None = None, line: int | None = None) -> None:
        super().__init__(f"{got} (attendu : {expected})")
        self.expected = expected
        self.got = got
        self.path = path
        self.line = line

    def __reduce__(self) -> tuple[object, ...]:
        """Voyage d'un processus à l'autre : `BaseException` ne saurait le refaire qu'à partir de son texte."""
        return type(self), (self.expected, self.got, self.path, self.line)


class EndlessCode(StudentMistake):
    """Le fichier de l'étudiant n'a pas rendu la main dans le délai."""


class Interruption(BaseException):
    """Arrête du code d'étudiant qui ne rend pas la main.

    Dérive de `BaseException` : un `except Exception` de l'étudiant ne doit pas l'avaler.
    """
