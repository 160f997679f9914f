"""L'adresse d'un serveur, pour un programme et pour le navigateur de l'étudiant.

Partout la même, `127.0.0.1:PORT`, dans le dev container comme sans Docker. Chaque outil déclare la sienne dans sa pièce
(`PREFECT`, `MLFLOW`, `DAGSTER`). Ce module n'importe rien de lourd.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from atelier.machine.env_file import setting
from atelier.machine.errors import EnvironmentProblem

NO_PROXY = ("NO_PROXY", "no_proxy")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Address:
    """Où répond un serveur : `port_setting` est le réglage de son port, `default_port` sa valeur habituelle.

    `path` est le chemin de son API. `variable` nomme la variable d'environnement qui peut désigner un autre serveur ;
    une adresse qui contient `refused` n'est jamais suivie.
    """

    port_setting: str
    default_port: int
    path: str = ""
    variable: str = ""
    refused: str = ""

    @property
    def port(self) -> int:
        """Le port sur cette machine. Lève `EnvironmentProblem` si le réglage n'en est pas un."""
        value = setting(self.port_setting)
        if not value:
            return self.default_port
        if value.isascii() and value.isdecimal() and 1024 <= int(value) <= 65535:
            return int(value)
        raise EnvironmentProblem(
            f"{self.port_setting} vaut « {value} » : un port est un nombre de 1024 à 65535",
            f"corrigez {self.port_setting} dans .env, ou supprimez-le pour retrouver {self.default_port}",
        )

    @property
    def local(self) -> str:
        """Le serveur de cet atelier, celui de `make up` ou du dev container."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    @property
    def url(self) -> str:
        """Le serveur à qui parler : celui que désigne `variable` si elle est donnée, sinon celui de l'atelier."""
        given = os.environ.get(self.variable, "").strip().rstrip("/") if self.variable else ""
        is_web = given.startswith(("http://", "https://"))
        return given if is_web and not (self.refused and self.refused in given) else self.local

    @property
    def is_elsewhere(self) -> bool:
        """Dit si `variable` désigne un serveur qui n'est pas celui de l'atelier."""
        given = urlsplit(self.url)
        return given.hostname not in LOOPBACK or given.port != self.port


def is_local(url: str) -> bool:
    """Dit si cette adresse est celle d'un serveur de cette machine."""
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:
        return False


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


def without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Cet environnement, pour un programme qui ne parle qu'à cette machine : sans aucun proxy.

    Les bibliothèques n'admettent pas les mêmes : les unes refusent `socks5://`, les autres une adresse IPv6.
    """
    kept = {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}
    # Sans ce réglage, Python irait chercher ceux du système, sous macOS et Windows.
    return kept | dict.fromkeys(NO_PROXY, "*")


def loopback_without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """De même, pour un programme qui parle peut-être aussi à d'autres : avec les seuls proxies que tous admettent."""
    proxies = {name: value for name, value in environment.items() if name.lower().endswith("_proxy")}
    kept = {name: value for name, value in environment.items() if name not in proxies}
    kept |= {
        name: value
        for name, value in proxies.items()
        if "://" not in value or value.startswith(("http://", "https://"))
    }
    for name in NO_PROXY:
        hosts = [host.strip() for host in proxies.get(name, "").split(",")]
        named = [host for host in hosts if host and not set("[]/").intersection(host) and host.count(":") < 2]
        kept[name] = ",".join(dict.fromkeys([*named, "127.0.0.1", "localhost"]))
    return kept
