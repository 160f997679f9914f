"""La pile des tests : un clone, un dev container ouvert une fois, tout enlevé à la fin."""

import faulthandler
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import containers
from tests.helpers.containers import SECRET, Stack


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Construire une image prend plus de temps qu'un kata n'en a : seul compte le délai de ces tests-ci."""
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Le clone, s'il y a de quoi l'ouvrir."""
    if problem := containers.engine_problem():
        pytest.skip(f"pas de moteur de conteneurs : {problem}")
    if not shutil.which("npm"):
        pytest.skip("npm n'est pas installé : il apporte la commande `devcontainer`")
    return containers.clone(tmp_path_factory.mktemp("pile") / "atelier-mlops")


@pytest.fixture(scope="session")
def secrets_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Un secret, donné comme le donne un codespace."""
    file = tmp_path_factory.mktemp("secrets") / "secrets.json"
    file.write_text(json.dumps({"DISCORD_WEBHOOK_URL": SECRET}), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def stack(workshop: Path, secrets_file: Path) -> Iterator[Stack]:
    """Le dev container ouvert, tous ses serveurs en bonne santé."""
    stack = Stack(workshop, f"atelier-test-{os.getpid()}")
    try:
        stack.up("--secrets-file", str(secrets_file))
        stack.wait()
        yield stack
    finally:
        stack.remove()
