"""Les pannes de la machine, et la commande qui les répare, telle qu'on la tape ici.

Les fautes d'un fichier d'étudiant sont dans `sandbox/mistakes.py`.
"""

import os
import re
import sys

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
