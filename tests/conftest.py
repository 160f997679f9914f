"""Ce que partagent les tests de l'atelier : un serveur Prefect à eux, pour ne rien laisser dans celui de l'atelier."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from tests.katas import ROOT


@pytest.fixture(scope="session")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """L'environnement d'un atelier dont l'état est ailleurs : son serveur démarre au premier besoin."""
    home = str(tmp_path_factory.mktemp("atelier"))
    yield {"ATELIER_HOME": home, "PREFECT_API_URL": "", "ATELIER_WARM": "0"}
    subprocess.run(
        [sys.executable, "-m", "atelier", "down"],
        cwd=ROOT,
        env={**os.environ, "ATELIER_HOME": home},
        stdout=subprocess.DEVNULL,
        check=False,
    )
