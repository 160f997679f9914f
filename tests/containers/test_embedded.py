"""Les mêmes interfaces, sans Docker : `make up`, un vrai navigateur."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.helpers.katas import ROOT
from tools import browser
from tools.npm import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NAMES = ("MLFLOW", "PREFECT", "DAGSTER")


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """Trois ports libres."""
    return dict(zip(NAMES, free_ports(len(NAMES)), strict=True))


@pytest.fixture(scope="module")
def embedded(ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """L'atelier démarré par `make up`, ailleurs que celui qui tourne peut-être déjà."""
    settings = {f"ATELIER_{name}_PORT": str(port) for name, port in ports.items()}
    settings |= {"ATELIER_HOME": str(tmp_path_factory.mktemp("atelier")), "ATELIER_WARM": "0"}
    settings |= {"PREFECT_API_URL": "", "MLFLOW_TRACKING_URI": ""}
    command = [sys.executable, "-m", "atelier"]
    subprocess.run([*command, "up"], cwd=ROOT, env={**os.environ, **settings}, check=True)
    yield
    subprocess.run([*command, "down"], cwd=ROOT, env={**os.environ, **settings}, check=True)


def test_interfaces_open_without_docker(chromium: str, embedded: None, ports: dict[str, int]) -> None:
    """Les trois interfaces s'affichent, sans requête en échec ni appel au-dehors."""
    hosts = [f"127.0.0.1:{ports[name]}" for name in NAMES]

    reports = browser.visit(browser.interfaces(*[f"http://{host}" for host in hosts]))

    assert [[]] * 3 == [report.failures for report in reports]
    assert [[host] for host in hosts] == [report.hosts for report in reports]
