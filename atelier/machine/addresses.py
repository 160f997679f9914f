"""Où répondent les serveurs de l'atelier, pour un programme et pour le navigateur de l'étudiant.

Partout la même adresse, `127.0.0.1:PORT` : dans le dev container comme sans Docker. Ce module n'importe rien de lourd.
"""

import os
from urllib.parse import urlsplit

from atelier.machine.env_file import setting
from atelier.machine.errors import EnvironmentProblem

PORTS = {
    "ATELIER_PREFECT_PORT": 4200,
    "ATELIER_MLFLOW_PORT": 5000,
    "ATELIER_DAGSTER_PORT": 3000,
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def prefect_api_url() -> str:
    """L'API de Prefect : `PREFECT_API_URL` si elle est donnée, sinon le port de l'atelier. Jamais Prefect Cloud."""
    return _given_prefect_api_url() or local_prefect_api_url()


def local_prefect_api_url() -> str:
    """L'API du serveur Prefect de l'atelier, celui de `make up` ou du dev container."""
    return f"{_local('ATELIER_PREFECT_PORT')}/api"


def mlflow_url() -> str:
    """Le serveur MLflow : `MLFLOW_TRACKING_URI` si c'est une adresse, sinon le port de l'atelier."""
    given = os.environ.get("MLFLOW_TRACKING_URI", "").strip().rstrip("/")
    return given if given.startswith(("http://", "https://")) else local_mlflow_url()


def local_mlflow_url() -> str:
    """Le serveur MLflow de l'atelier."""
    return _local("ATELIER_MLFLOW_PORT")


def dagster_url() -> str:
    """L'interface de Dagster."""
    return _local("ATELIER_DAGSTER_PORT")


def port(name: str) -> int:
    """Le port que donne ce réglage. Lève `EnvironmentProblem` si ce n'en est pas un."""
    value = setting(name)
    if not value:
        return PORTS[name]
    if value.isascii() and value.isdecimal() and 1024 <= int(value) <= 65535:
        return int(value)
    raise EnvironmentProblem(
        f"{name} vaut « {value} » : un port est un nombre de 1024 à 65535",
        f"corrigez {name} dans .env, ou supprimez-le pour retrouver {PORTS[name]}",
    )


def browser_url(url: str) -> str:
    """Cette adresse telle que le navigateur de l'étudiant l'atteint : sans `/api` final, et codespace compris."""
    url = url.rstrip("/").removesuffix("/api")
    codespace, domain = (
        os.environ.get("CODESPACE_NAME"),
        os.environ.get("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN"),
    )
    parts = urlsplit(url)
    if codespace and domain and parts.hostname in LOOPBACK:
        parts = parts._replace(scheme="https", netloc=f"{codespace}-{parts.port}.{domain}")
    return parts.geturl()


def loopback_without_proxy() -> dict[str, str]:
    """Les variables à poser pour que, derrière un proxy, les serveurs de cette machine restent sur cette machine."""
    names = ("NO_PROXY", "no_proxy")
    hosts = {name: [*os.environ.get(name, "").split(","), "127.0.0.1", "localhost"] for name in names}
    return {name: ",".join(dict.fromkeys(filter(None, hosts[name]))) for name in names}


def _given_prefect_api_url() -> str:
    url = os.environ.get("PREFECT_API_URL", "").strip().rstrip("/")
    # Prefect Cloud garde les runs d'un compte personnel : l'atelier n'y écrit jamais.
    return "" if "prefect.cloud" in url else url


def _local(name: str) -> str:
    return f"http://127.0.0.1:{port(name)}"
