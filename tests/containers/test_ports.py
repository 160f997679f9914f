"""Sans VS Code : `ports.yaml` publie les interfaces pour cette machine seulement, sur les ports de `.env`."""

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.helpers.containers import BUILD_SECONDS, Stack
from tests.helpers.ports import free_port
from tools import browser

pytestmark = [pytest.mark.docker, pytest.mark.timeout(BUILD_SECONDS)]

LOOPBACK = {"127.0.0.1", "::1"}
NAMES = ("MLFLOW", "PREFECT", "DAGSTER")


@pytest.fixture(scope="module")
def ports(workshop: Path) -> dict[str, int]:
    """Trois ports libres, écrits dans le `.env` de l'étudiant, copié de `.env.example`."""
    ports = {name: free_port() for name in NAMES}
    example = (workshop / ".env.example").read_text(encoding="utf-8")
    chosen = "".join(f"ATELIER_{name}_PORT={port}\n" for name, port in ports.items())
    (workshop / ".env").write_text(example + chosen, encoding="utf-8")
    return ports


@pytest.fixture(scope="module")
def published(workshop: Path, ports: dict[str, int]) -> Iterator[Stack]:
    """L'atelier démarré par `docker compose`, comme le dit `docs/docker.md`."""
    stack = Stack(workshop, f"atelier-ports-{os.getpid()}", files=())
    try:
        stack.compose("up", "--detach", "--build", "--wait")
        yield stack
    finally:
        stack.remove()
        (workshop / ".env").unlink()


def test_interfaces_open_on_the_chosen_ports(published: Stack, chromium: str, ports: dict[str, int]) -> None:
    """Le même port dedans et dehors : une adresse affichée dans le conteneur s'ouvre dans le navigateur."""
    urls = [f"http://127.0.0.1:{ports[name]}" for name in NAMES]
    status = published.compose("exec", "-T", "workspace", "python", "-m", "atelier", "status")

    reports = browser.visit(browser.interfaces(*urls))

    assert [[]] * 3 == [report.failures for report in reports]
    assert [] == [url for url in urls if url not in status]


def test_nothing_listens_beyond_loopback(published: Stack, ports: dict[str, int]) -> None:
    """Les ports publiés ne sont joignables que de cette machine."""
    listening = [one.laddr for one in psutil.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    ours = {address.ip for address in listening if address.port in ports.values()}

    assert ours
    assert ours <= LOOPBACK


def test_a_program_of_this_machine_reaches_mlflow(published: Stack, ports: dict[str, int]) -> None:
    """Un script hors des conteneurs lit MLflow par le port publié."""
    url = f"http://127.0.0.1:{ports['MLFLOW']}/api/2.0/mlflow/experiments/get?experiment_id=0"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert "Default" == json.load(answer)["experiment"]["name"]
