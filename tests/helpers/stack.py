"""L'atelier entier, avec ses vrais serveurs, loin de celui qui tourne peut-être."""

import faulthandler
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from atelier.machine import processes
from tests.helpers.homes import new_home
from tests.helpers.katas import ROOT

NAMES = ("mlflow", "prefect", "worker", "dagster")
ASSETS = """\
import dagster as dg


@dg.asset
def answer() -> int:
    return 42


defs = dg.Definitions(assets=[answer])
"""


@dataclass(frozen=True)
class Stack:
    """L'atelier lancé : son environnement, son fichier Dagster, ce que `make up` a affiché."""

    environment: Mapping[str, str]
    assets: Path
    shown: str

    @property
    def ports(self) -> dict[str, int]:
        """Le port de chaque interface."""
        return {
            name: int(self.environment[f"ATELIER_{name.upper()}_PORT"]) for name in ("mlflow", "prefect", "dagster")
        }

    def atelier(self, *arguments: str) -> str:
        """Joue `python -m atelier …`, qui doit réussir."""
        return self.run("-m", "atelier", *arguments)

    def run(self, *arguments: str, **settings: str) -> str:
        """Joue Python avec ces arguments, dans cet atelier ; rend ce qui s'affiche. Il doit réussir."""
        return _run(arguments, {**self.environment, **settings})

    def families(self) -> dict[str, processes.Family]:
        """Les processus de chaque service."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ATELIER_HOME", self.environment["ATELIER_HOME"])
            return processes.families(NAMES)

    def heads(self) -> dict[str, psutil.Process | None]:
        """Le processus principal de chaque service."""
        return {name: family.head for name, family in self.families().items()}

    def members(self) -> list[psutil.Process]:
        """Tous leurs processus."""
        return [process for family in self.families().values() for process in family.members]

    def get(self, name: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Une requête à un service : le code, et le JSON s'il y en a."""
        return self._ask("GET" if body is None else "POST", name, path, body, **headers)

    def _ask(self, method: str, name: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=30)
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, json.loads(text) if "json" in response.headers.get("Content-Type", "") else text

    def deployments(self) -> list[str]:
        """Les deployments que connaît Prefect."""
        _, found = self.get("prefect", "/api/deployments/filter", body={})
        return [deployment["name"] for deployment in found]

    def remove_deployments(self) -> None:
        """Les retire tous."""
        _, found = self.get("prefect", "/api/deployments/filter", body={})
        for deployment in found:
            self._ask("DELETE", "prefect", f"/api/deployments/{deployment['id']}")


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """Lance tout, par `make up` ; à la fin, `make down` n'en laisse rien."""
    assets = folder / "dagster_assets.py"
    assets.write_text(ASSETS, encoding="utf-8")
    (folder / "state").mkdir()
    environment = new_home(folder / "state") | {"ATELIER_DAGSTER_FILE": str(assets), "ATELIER_WARM": "0"}
    faulthandler.cancel_dump_traceback_later()  # armé pour deux minutes : trop peu si la machine est chargée
    try:
        stack = Stack(environment, assets, _run(["-m", "atelier", "up"], environment))
        yield stack
    finally:
        _run(["-m", "atelier", "down"], environment)

    assert [] == stack.members()


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment, "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )

    assert finished.returncode == 0, finished.stdout
    return finished.stdout
