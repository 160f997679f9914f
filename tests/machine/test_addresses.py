"""Les adresses des serveurs : l'environnement d'abord, puis `.env`, puis les ports habituels."""

from pathlib import Path

import pytest

from atelier.dagster.settings import DAGSTER
from atelier.machine import addresses, env_file
from atelier.machine.errors import EnvironmentProblem
from atelier.mlflow.settings import MLFLOW
from atelier.prefect.settings import PREFECT
from tests.helpers.katas import ROOT

SERVERS = (PREFECT, MLFLOW, DAGSTER)
NAMES = [*(server.port_setting for server in SERVERS), "PREFECT_API_URL", "MLFLOW_TRACKING_URI", "CODESPACE_NAME"]


@pytest.fixture(autouse=True)
def dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Un environnement vide, et un `.env` à écrire."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(env_file, "ENV_FILE", tmp_path / ".env")
    return tmp_path / ".env"


def _all() -> list[str]:
    return [server.url for server in SERVERS]


def test_default_addresses() -> None:
    """Sans réglage, les ports que connaît tout le monde."""
    assert ["http://127.0.0.1:4200/api", "http://127.0.0.1:5000", "http://127.0.0.1:3000"] == _all()


def test_ports_come_from_the_file(dotenv: Path) -> None:
    """Chaque port se change dans `.env`."""
    dotenv.write_text("ATELIER_PREFECT_PORT=4201\nATELIER_MLFLOW_PORT='5001'\nATELIER_DAGSTER_PORT = 3001 # pris\n")

    assert ["http://127.0.0.1:4201/api", "http://127.0.0.1:5001", "http://127.0.0.1:3001"] == _all()


def test_environment_wins_over_the_file(dotenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Une variable d'environnement l'emporte ; vide, elle compte pour rien."""
    dotenv.write_text("ATELIER_MLFLOW_PORT=5001\nATELIER_DAGSTER_PORT=3001\n")
    monkeypatch.setenv("ATELIER_MLFLOW_PORT", "5002")
    monkeypatch.setenv("ATELIER_DAGSTER_PORT", "")

    assert ["http://127.0.0.1:5002", "http://127.0.0.1:3001"] == _all()[1:]


def test_file_of_notepad_is_read(dotenv: Path) -> None:
    """Le Bloc-notes de Windows ajoute une marque au début et des fins de ligne à lui."""
    dotenv.write_bytes(b"\xef\xbb\xbfATELIER_MLFLOW_PORT=5001\r\nATELIER_DAGSTER_PORT=3001\r\n")

    assert ["http://127.0.0.1:5001", "http://127.0.0.1:3001"] == _all()[1:]


@pytest.mark.parametrize("value", ["cinq mille", "0", "80", "70000", "-5000", "5000.5", "²000"])
def test_bad_port_is_said_in_one_sentence(value: str, dotenv: Path) -> None:
    """Un port impossible : quelle variable, quelle valeur, et où la corriger."""
    dotenv.write_text(f"ATELIER_MLFLOW_PORT={value}\n", encoding="utf-8")
    with pytest.raises(EnvironmentProblem, match=f"ATELIER_MLFLOW_PORT vaut « {value} »") as problem:
        _ = MLFLOW.url

    assert "corrigez ATELIER_MLFLOW_PORT dans .env" in problem.value.repair


def test_unreadable_file_is_said(dotenv: Path) -> None:
    """Un `.env` qui n'est pas de l'UTF-8 le dit."""
    dotenv.write_bytes("ATELIER_MLFLOW_PORT=5001 # déjà pris\n".encode("utf-16"))
    with pytest.raises(EnvironmentProblem, match=r"\.env"):
        _ = MLFLOW.url


def test_servers_of_someone_else_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """PREFECT_API_URL et MLFLOW_TRACKING_URI désignent un serveur, où qu'il soit."""
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example:4200/api/")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example/")

    assert ["http://prefect.example:4200/api", "https://mlflow.example"] == _all()[:2]


def test_prefect_cloud_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """L'adresse d'un compte Prefect Cloud n'est pas prise."""
    monkeypatch.setenv("PREFECT_API_URL", "https://api.prefect.cloud/api/accounts/1/workspaces/2")

    assert "http://127.0.0.1:4200/api" == PREFECT.url


def test_tracking_folder_is_not_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLFLOW_TRACKING_URI peut être une base ou un dossier : ce n'est pas une adresse."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")

    assert "http://127.0.0.1:5000" == MLFLOW.url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://127.0.0.1:5000/#/experiments/1", "http://127.0.0.1:5000/#/experiments/1"),
    ],
)
def test_browser_address_at_home(url: str, shown: str) -> None:
    """Sur sa machine, le navigateur va à la même adresse, sans `/api`."""
    assert shown == addresses.browser_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:4200/api", "https://fluffy-train-4200.app.github.dev"),
        ("http://localhost:5000/#/models", "https://fluffy-train-5000.app.github.dev/#/models"),
        ("https://prefect.example/api", "https://prefect.example"),
    ],
)
def test_browser_address_in_a_codespace(url: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dans un codespace, les serveurs de la machine passent par la redirection de ports ; les autres non."""
    monkeypatch.setenv("CODESPACE_NAME", "fluffy-train")
    monkeypatch.setenv("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN", "app.github.dev")

    assert shown == addresses.browser_url(url)


PROXIES = {
    "ALL_PROXY": "socks5://proxy:1080",
    "all_proxy": "socks://proxy:1080",
    "HTTP_PROXY": "proxy:3128",
    "https_proxy": "http://proxy:3128",
    "NO_PROXY": "example.org:8080, [::1],::1,::1/128,10.0.0.0/8",
    "PATH": "/bin",
}


def test_no_proxy_at_all_for_what_stays_here() -> None:
    """Les tests ne parlent qu'à cette machine : aucun proxy, pas même ceux du système."""
    assert {"PATH": "/bin", "NO_PROXY": "*", "no_proxy": "*"} == addresses.without_proxies(PROXIES)


def test_servers_keep_the_proxies_that_work() -> None:
    """Un flow du worker peut notifier Discord : il garde les proxies que toutes les bibliothèques admettent."""
    assert {
        "HTTP_PROXY": "proxy:3128",
        "https_proxy": "http://proxy:3128",
        "NO_PROXY": "example.org:8080,127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PATH": "/bin",
    } == addresses.loopback_without_proxy(PROXIES)


def test_example_documents_every_setting() -> None:
    """`.env.example` décrit tous les ports, avec leur valeur habituelle, et les deux adresses de notification."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    documented = [f"#{server.port_setting}={server.default_port}\n" for server in SERVERS]

    assert [] == [line for line in [*documented, "#DISCORD_WEBHOOK_URL=", "#SLACK_WEBHOOK_URL="] if line not in text]
