"""Ce qui est vrai de Prefect dans l'atelier : son adresse, son work pool, ses dossiers, ses réglages.

Ce module n'importe pas Prefect : retrouver un serveur ne doit coûter que des millisecondes.
"""

import os
from pathlib import Path

from atelier.machine.addresses import Address, without_proxies
from atelier.machine.paths import state_dir
from atelier.machine.privacy import DO_NOT_TRACK, become, forget_settings

# Prefect Cloud garde les runs d'un compte personnel : l'atelier n'y écrit jamais.
PREFECT = Address("ATELIER_PREFECT_PORT", 4200, path="/api", variable="PREFECT_API_URL", refused="prefect.cloud")
POOL = "default-pool"
PERSONAL = ("PREFECT_",)
# De tout serveur de l'atelier, celui de `make up` comme celui que `pytest` garde pour lui.
SERVER = DO_NOT_TRACK | {
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",  # aucun kata n'en a besoin, une seconde de moins
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",  # la nouvelle interface appelle un service de mesure d'audience
    "PREFECT_UI_API_URL": "/api",  # sans quoi la page appelle 127.0.0.1:4200, même dans un codespace
}


def home(part: str) -> Path:
    """Le dossier où Prefect range cette part de ses fichiers : « client », « server », « results »…"""
    return state_dir() / "prefect" / part


def results() -> Path:
    """Les résultats des runs lancés à la main et par le worker ; ceux des tests sont ailleurs."""
    return home("results")


def client() -> dict[str, str]:
    """De tout ce qui parle à un serveur : ni compte, ni profil, ni serveur improvisé."""
    return DO_NOT_TRACK | {
        "PREFECT_API_URL": PREFECT.url,
        "PREFECT_API_KEY": "",
        "PREFECT_HOME": str(home("client")),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    }


def prepare_environment() -> None:
    """À appeler avant `import prefect` : profils, clés et fichiers restent dans `.atelier/`.

    Prefect lit l'environnement, le `.env` du dossier courant et le profil de l'utilisateur : l'environnement
    l'emporte. Aucun réglage personnel ne doit changer un kata, ni un kata atteindre Prefect Cloud.
    """
    home("client").mkdir(parents=True, exist_ok=True)  # Prefect ne crée que le dernier dossier
    kept = client() | {
        "PREFECT_PROFILES_PATH": str(home("client") / "profiles.toml"),
        "PREFECT_LOGGING_LEVEL": os.environ.get("PREFECT_LOGGING_LEVEL", "CRITICAL"),
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }
    forget_settings(*PERSONAL)
    become(without_proxies(os.environ))
    os.environ |= kept
