"""Le DAG de référence tourne vraiment, dans Airflow 3, et prédit ce que prédit le fil rouge."""

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from atelier import churn
from tests.helpers.airflow import LOCK, Airflow, installed_airflow
from tests.helpers.katas import ROOT

DAGS = ["churn_taskflow", "churn_classic"]
PARIS = ZoneInfo("Europe/Paris")
DAY = "2026-01-02"
SHARED = ["joblib", "numpy", "pandas", "scikit-learn", "scipy"]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    """Un Airflow neuf, sur SQLite."""
    return installed_airflow(tmp_path_factory.mktemp("airflow"))


def test_versions_are_those_of_the_workshop() -> None:
    """Le modèle se compare : les paquets qui le calculent sont aux mêmes versions dans les deux verrous."""
    ours, theirs = (_versions(lock) for lock in (ROOT / "requirements.lock", LOCK))

    assert {name: ours[name] for name in SHARED} == {name: theirs[name] for name in SHARED}


@pytest.mark.slow
@pytest.mark.parametrize("dag", DAGS)
def test_dag_predicts_like_the_workshop(dag: str, airflow: Airflow, tmp_path: Path) -> None:
    """`airflow dags test` exécute le DAG jusqu'au bout ; ses prédictions sont celles d'`atelier.churn`."""
    run = Airflow(airflow.home, settings={"CHURN_FOLDER": str(tmp_path)})

    run("dags", "test", dag, DAY)

    train, _ = churn.split_customers(churn.load_customers())
    expected = churn.predict_churn(churn.train_model(train), churn.load_customers())
    predictions = pd.read_csv(tmp_path / DAY / "predictions.csv")
    pd.testing.assert_frame_equal(expected, predictions, rtol=1e-9)


@pytest.mark.slow
def test_dags_run_at_six_in_paris(airflow: Airflow) -> None:
    """La prochaine exécution des deux DAG est à 6 h, heure de Paris."""
    airflow("dags", "reserialize")
    printed = [airflow("dags", "next-execution", dag) for dag in DAGS]

    moments = [datetime.fromisoformat(text.strip().splitlines()[-1]).astimezone(PARIS) for text in printed]
    assert [(6, 0), (6, 0)] == [(moment.hour, moment.minute) for moment in moments]


def _versions(lock: Path) -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE):
        versions.setdefault(name, []).append(version)
    return versions
