"""Un Airflow à part : ses paquets ne vont pas avec ceux de l'atelier. Installé une fois, sous `.atelier/airflow/`."""

import hashlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock

from atelier.machine.paths import ROOT
from tests.helpers.homes import USUAL

LOCK = ROOT / "docs" / "airflow" / "requirements.lock"
DAGS = ROOT / "docs" / "airflow" / "dags"
COMMAND_SECONDS = 300


@dataclass(frozen=True)
class Airflow:
    """La commande `airflow`, avec une base, des DAG et des fichiers qui ne sont qu'à elle."""

    home: Path
    dags: Path = DAGS
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Aucun réglage personnel, aucun exemple, aucune statistique envoyée."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        return inherited | {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "PATH": os.pathsep.join(
                [str(_environment() / "bin"), os.environ["PATH"]]
            ),  # `standalone` y cherche `airflow`
            "PYTHONPATH": str(ROOT),
            "CHURN_FOLDER": str(self.home / "churn"),
            **self.settings,
        }

    def __call__(self, *arguments: str) -> str:
        """Exécute `airflow ARGUMENTS` et rend ce qu'il affiche. Lève `AssertionError` s'il échoue."""
        finished = subprocess.run(
            [executable("airflow"), *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout
        return finished.stdout


def installed_airflow(home: Path, dags: Path = DAGS) -> Airflow:
    """Un Airflow neuf, sur SQLite ; le test est sauté là où Airflow ne va pas, ou ne peut pas s'installer."""
    if sys.platform == "win32":
        pytest.skip("Airflow ne tourne pas sous Windows")
    try:
        install()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"Airflow ne s'installe pas ici : {error}")
    airflow = Airflow(home, dags)
    airflow("db", "migrate")
    return airflow


def executable(name: str) -> str:
    """Un programme de l'environnement d'Airflow."""
    return str(_environment() / "bin" / name)


def install() -> None:
    """Installe Airflow selon son verrou, si ce n'est déjà fait. Lève `subprocess.CalledProcessError`."""
    environment = _environment()
    environment.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(environment.with_suffix(".lock")):
        if (environment / ".installed").exists():
            return
        uv = str(Path(sysconfig.get_path("scripts"), "uv"))
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        sync = [uv, "pip", "sync", "--quiet", "--python", executable("python"), "--require-hashes", str(LOCK)]
        subprocess.run(sync, check=True)
        (environment / ".installed").touch()


def _environment() -> Path:
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return USUAL / "airflow" / digest
