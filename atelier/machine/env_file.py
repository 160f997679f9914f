"""Les réglages de l'atelier : une variable d'environnement, sinon la même ligne dans `.env`, à la racine du dépôt.

`.env.example` les décrit toutes. Le `.env` n'est jamais versé dans l'environnement : il n'y a pas d'effet à distance.
"""

import os

from atelier.machine.errors import EnvironmentProblem
from atelier.machine.paths import ROOT

ENV_FILE = ROOT / ".env"


def setting(name: str) -> str:
    """La valeur de ce réglage, ou une chaîne vide. L'environnement l'emporte sur le fichier, comme pour Compose."""
    return os.environ.get(name, "").strip() or read_env_file().get(name, "").strip()


def read_env_file() -> dict[str, str]:
    """Ce que dit `.env` ; rien s'il n'existe pas."""
    if not ENV_FILE.exists():
        return {}
    from dotenv import dotenv_values  # presque personne n'a de `.env` : l'import attend d'être utile

    try:
        # `utf-8-sig` : le Bloc-notes de Windows commence ses fichiers par une marque.
        values = dotenv_values(ENV_FILE, encoding="utf-8-sig", interpolate=False)
    except (OSError, UnicodeError) as error:
        raise EnvironmentProblem(f"le fichier .env ne se lit pas : {error}", "enregistrez .env en UTF-8") from error
    return {name: value for name, value in values.items() if value is not None}


def unreadable_lines() -> list[int]:
    """Les numéros des lignes de `.env` qui ne veulent rien dire, et que tout le monde ignore donc."""
    from dotenv.parser import parse_stream

    with ENV_FILE.open(encoding="utf-8-sig") as stream:
        return [binding.original.line for binding in parse_stream(stream) if binding.error]
