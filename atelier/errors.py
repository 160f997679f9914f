"""Les trois façons, pour un kata, de ne pas aboutir : à chacune son exception."""

from pathlib import Path

# `-B` : les paquets sont réinstallés même si le verrou n'a pas changé.
REINSTALL = "make -B up"


class EnvironmentProblem(Exception):
    """La machine est en cause, pas l'étudiant : le message dit quoi, `repair` la commande qui répare."""

    def __init__(self, problem: str, repair: str) -> None:
        super().__init__(problem)
        self.repair = repair


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


class Interruption(BaseException):
    """Arrête du code d'étudiant qui ne rend pas la main.

    Dérive de `BaseException` : un `except Exception` de l'étudiant ne doit pas l'avaler.
    """
