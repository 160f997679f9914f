"""Ce qui est vrai de MLflow dans l'atelier : son adresse, ses dossiers, ses réglages. N'importe pas MLflow."""

import hashlib
import os
from pathlib import Path

from atelier.machine.addresses import Address, is_local, loopback_without_proxy
from atelier.machine.packages import installed_version
from atelier.machine.paths import state_dir
from atelier.machine.privacy import DO_NOT_TRACK, become, forget_settings

MLFLOW = Address("ATELIER_MLFLOW_PORT", 5000, variable="MLFLOW_TRACKING_URI")
PERSONAL = ("MLFLOW_", "_MLFLOW_")
NO_TELEMETRY = DO_NOT_TRACK | {"MLFLOW_DISABLE_TELEMETRY": "true"}
# De tout ce qui parle à MLflow.
CLIENT = NO_TELEMETRY | {
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # deux lignes par run, et fausses dans un codespace
    "MLFLOW_PRINT_MODEL_URLS_ON_CREATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Un serveur arrêté doit se voir avant la fin du délai d'un kata : d'ordinaire MLflow insiste quatre minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",  # sans git, rien à dire
    "MPLBACKEND": "agg",  # une figure se dessine sans écran, et dans n'importe quel thread
}


def home() -> Path:
    """Le dossier du serveur de `make up` : sa base, ses fichiers."""
    return state_dir() / "mlflow"


def versioned_home() -> Path:
    """Celui des bases sans serveur, un par version : une base ne rencontre jamais un schéma d'une autre version."""
    versions = "\n".join(map(installed_version, ("mlflow", "sqlalchemy", "alembic")))
    folder = home() / hashlib.sha256(versions.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def figures() -> dict[str, str]:
    """Où matplotlib garde ses polices : ailleurs que dans le dossier personnel."""
    return {"MPLCONFIGDIR": str(state_dir() / "matplotlib")}


def public_urls() -> list[str]:
    """Où peut répondre un serveur qui n'est pas à nous, par ordre de préférence.

    Seulement sur cette machine : ailleurs, ce serait le serveur d'une équipe ou d'un compte, où un kata n'écrit jamais.
    """
    return list(filter(is_local, dict.fromkeys([MLFLOW.url, MLFLOW.local])))


def prepare_environment() -> None:
    """À appeler avant `import mlflow` : ni compte, ni serveur distant, ni fichier chez l'utilisateur.

    MLflow ne lit que l'environnement : de tous ses réglages, on ne garde que l'adresse d'un serveur de cette machine.
    """
    url = public_urls()[0]
    forget_settings(*PERSONAL)
    become(loopback_without_proxy(os.environ))
    os.environ |= CLIENT | figures() | {"MLFLOW_TRACKING_URI": url}
