"""Les trois façons, pour un kata, de ne pas aboutir : à chacune son exception."""

import os
import re
import sys
from pathlib import Path

# Ce que le dev container pose : l'environnement est dans l'image, et ne se refait qu'avec elle.
IN_IMAGE = "ATELIER_VENV"
REBUILD = "dans VS Code : « Dev Containers: Rebuild Container »"
LONGEST_TEXT = 5000
# `-B` : les paquets sont réinstallés même si le verrou n'a pas changé.
REINSTALL = "make -B up"


def typed_here(text: str) -> str:
    """Ces commandes telles qu'on les tape ici : Windows n'a pas `make`, ni PowerShell `&&` ; un conteneur se refait."""
    if os.environ.get(IN_IMAGE):
        return text.replace(REINSTALL, REBUILD)
    if sys.platform != "win32":
        return text
    python = r".venv\Scripts\python -m"
    text = text.replace(REINSTALL, f"{python} pip install --no-deps --require-hashes -r requirements.lock")
    return re.sub(
        r"\bmake (?=(up|down|status|undeploy|doctor)\b)", lambda _: f"{python} atelier ", text.replace(" && ", " ; ")
    )


def text_of(error: BaseException) -> str:
    """Le message d'une exception, raccourci ; certaines ne savent pas se décrire."""
    try:
        return str(error)[:LONGEST_TEXT]
    except Exception:
        return ""


class EnvironmentProblem(Exception):
    """La machine est en cause, pas l'étudiant : le message dit quoi, `repair` la commande qui répare."""

    def __init__(self, problem: str, repair: str) -> None:
        super().__init__(problem)
        self.repair = typed_here(repair)


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


class EndlessCode(StudentMistake):
    """Le fichier de l'étudiant n'a pas rendu la main dans le délai."""


class Interruption(BaseException):
    """Arrête du code d'étudiant qui ne rend pas la main.

    Dérive de `BaseException` : un `except Exception` de l'étudiant ne doit pas l'avaler.
    """
