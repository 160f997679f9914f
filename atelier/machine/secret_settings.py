"""Les secrets du kata 07, jusqu'au worker, sans passer par l'image, la configuration de Compose ni un journal.

Sans Docker, le worker les trouve dans l'environnement ou dans `.env`. Dans un codespace, GitHub ne les donne qu'aux
commandes de l'espace de travail : `python -m atelier.machine.secret_settings` les y prend et les dépose dans un volume
que seul le conteneur du worker partage (`ATELIER_SECRETS`).
"""

import json
import os
from pathlib import Path

from atelier.machine.env_file import read_env_file

NAMES = ("DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL")


def share() -> None:
    """Dépose les secrets de l'environnement pour le worker ; ne dit que leurs noms."""
    values = {name: os.environ[name] for name in NAMES if os.environ.get(name)}
    if file := _shared_file():
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(values), encoding="utf-8")
        draft.replace(file)  # le worker ne lit jamais un fichier à moitié écrit
    print(f"Secrets transmis au worker : {', '.join(values)}." if values else "Aucun secret à transmettre au worker.")


def given() -> dict[str, str]:
    """Les secrets déposés pour ce processus, ou écrits dans `.env`."""
    values = _shared() | read_env_file()
    return {name: values[name] for name in NAMES if values.get(name)}


def _shared() -> dict[str, str]:
    file = _shared_file()
    return json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else {}


def _shared_file() -> Path | None:
    folder = os.environ.get("ATELIER_SECRETS")
    return Path(folder, "secrets.json") if folder else None


if __name__ == "__main__":
    share()
