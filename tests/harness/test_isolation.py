"""Un kata n'atteint ni le compte, ni les dossiers, ni les réglages de celui qui le joue."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from atelier.stack.install import make_importable
from tests.helpers import katas
from tests.helpers.isolated_katas import CODE, DAGSTER_CODE, DAGSTER_TEST, TEST, TRACKED_CODE, TRACKED_TEST
from tests.helpers.katas import WORKSHOP_FILES, PytestRun, Workshop

PROFILES = """\
active = "cloud"

[profiles.cloud]
PREFECT_API_URL = "{url}"
PREFECT_API_KEY = "pnu_profile"
PREFECT_LOCAL_STORAGE_PATH = "{home}/results"
"""
FOLDERS = ["00_tasks_flows", "09_tracking"]


class Trap:
    """Un serveur qui tient la place du compte de l'étudiant : personne ne doit l'appeler."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        trap = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                trap.requests.append(str(self.rfile.readline()))

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Ne répond plus."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Person:
    """Quelqu'un qui se sert de Prefect, de MLflow et de Dagster pour son travail."""

    home: Path
    trap: Trap
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Range ses affaires."""
        profiles = self.home / ".prefect" / "profiles.toml"
        profiles.parent.mkdir(parents=True)
        profiles.write_text(PROFILES.format(url=self.trap.url, home=self.home), encoding="utf-8")
        (self.home / "dagster").mkdir()
        self.environment = {
            "HOME": str(self.home),
            "USERPROFILE": str(self.home),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "DAGSTER_HOME": str(self.home / "dagster"),
            "PREFECT_API_KEY": "pnu_environment",
            "PREFECT_PROFILE": "cloud",
            "PREFECT_TASKS_DEFAULT_RETRIES": "7",
            "PREFECT_LOCAL_STORAGE_PATH": str(self.home / "results"),
            "MLFLOW_TRACKING_URI": "databricks",
            "MLFLOW_REGISTRY_URI": "databricks-uc",
            "MLFLOW_EXPERIMENT_NAME": "/Shared/me/work",
            "DATABRICKS_HOST": self.trap.url.removesuffix("/api"),
            "DATABRICKS_TOKEN": "dapi_environment",
            "HTTP_PROXY": self.trap.url,
            "http_proxy": self.trap.url,
            "HTTPS_PROXY": self.trap.url,
        }

    def files(self) -> dict[str, str]:
        """Ce que contient son dossier personnel."""
        paths = sorted(path for path in self.home.rglob("*") if path.is_file())
        return {str(path.relative_to(self.home)): path.read_text(encoding="utf-8") for path in paths}


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    trap = Trap()
    yield Person(tmp_path_factory.mktemp("home"), trap)
    trap.close()


@pytest.fixture(scope="module")
def run(
    person: Person, own_server: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[PytestRun, Workshop]:
    """Un kata joué dans le dossier et avec l'environnement de cette personne."""
    workshop = Workshop(tmp_path_factory.mktemp("workshop"))
    workshop.write_kata("01_isolated", "prefect_isolated", test=TEST, code=CODE)
    workshop.write_kata("02_tracked", "mlflow_tracked", test=TRACKED_TEST, code=TRACKED_CODE)
    workshop.write_kata("08_isolated", "dagster_isolated", test=DAGSTER_TEST, code=DAGSTER_CODE)
    dotenv = f"PREFECT_API_URL={person.trap.url}\nPREFECT_API_KEY=pnu_dotenv\n"
    (workshop.root / ".env").write_text(dotenv, encoding="utf-8")
    return workshop.pytest("--junitxml=report.xml", env={**person.environment, **own_server}), workshop


def test_katas_are_green_whatever_the_environment(run: tuple[PytestRun, Workshop]) -> None:
    """Compte, profil, `.env`, proxy : rien ne change un kata ; ses résultats et son horloge sont à lui."""
    assert 0 == run[0].code, run[0].output


def test_account_is_never_reached(run: tuple[PytestRun, Workshop], person: Person) -> None:
    """Ni le profil, ni le `.env`, ni le proxy de la personne ne reçoivent une seule requête."""
    assert run[0].output
    assert [] == person.trap.requests


def test_nothing_is_written_at_home(run: tuple[PytestRun, Workshop], person: Person) -> None:
    """Le dossier personnel est resté tel quel, `~/.prefect` et DAGSTER_HOME compris."""
    assert run[0].output
    assert [str(Path(".prefect", "profiles.toml"))] == list(person.files())


def test_nothing_is_written_in_the_working_directory(run: tuple[PytestRun, Workshop]) -> None:
    """Ni `mlruns`, ni base, ni résultats à côté des katas."""
    _, workshop = run
    known = {*WORKSHOP_FILES, "katas", "cache", ".env", "report.xml", "__pycache__"}

    assert set() == {path.name for path in workshop.root.iterdir()} - known


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_kata_runs_as_a_script(folder: str, person: Person, own_server: Mapping[str, str], tmp_path: Path) -> None:
    """`python katas/…` montre ses runs sur le serveur de l'atelier, sans rien écrire chez la personne."""
    make_importable()  # ce que fait `make up`
    before = person.files()
    finished = subprocess.run(
        [sys.executable, katas.solution_file(folder)],
        cwd=katas.ROOT,
        env={**os.environ, "PYTHONPATH": str(katas.ROOT), **person.environment, **own_server},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )

    record = json.loads(Path(own_server["ATELIER_HOME"], "prefect-server.json").read_text(encoding="utf-8"))
    address = record["url"].removesuffix("/api")
    assert (0, f"Vos runs : {address}/runs") == (finished.returncode, finished.stdout.strip().splitlines()[-1])
    assert (before, []) == (person.files(), person.trap.requests)


def test_server_that_answers_is_used(own_server: Mapping[str, str], tmp_path: Path) -> None:
    """Le serveur de PREFECT_API_URL répond : les runs y vont, et aucun autre ne démarre."""
    record = json.loads(Path(own_server["ATELIER_HOME"], "prefect-server.json").read_text(encoding="utf-8"))
    workshop = Workshop(tmp_path)
    test = "def test_it(kata, run):\n    assert run(kata.small).value == 1\n"
    workshop.write_kata("01_it", "prefect_it", test=test, code=CODE)
    home = tmp_path / "state"

    run = workshop.pytest(env={"ATELIER_HOME": str(home), "PREFECT_API_URL": record["url"]})

    address = record["url"].removesuffix("/api")
    assert (0, True) == (run.code, f"À regarder   : {address}/runs/flow-run/" in run.output), run.output
    assert not (home / "prefect-server.json").exists()
