"""Le même pipeline dans deux orchestrateurs (`docs/orchestrators/`) : les mêmes prédictions que le fil rouge.

Celui d'Airflow, dans son environnement à part, est dans `test_airflow.py`.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from atelier import churn
from tests.helpers.katas import ROOT

PREFECT = """\
import sys
from atelier.prefect.session import workshop_server
from atelier.prefect.settings import prepare_environment

prepare_environment()
from pipeline_prefect import churn_pipeline

with workshop_server():
    churn_pipeline(sys.argv[1])
"""
DAGSTER = """\
import sys, tempfile
import dagster as dg
from pipeline_dagster import defs

with tempfile.TemporaryDirectory() as home, dg.DagsterInstance.ephemeral(tempdir=home) as instance:
    result = defs.resolve_job_def("pipeline").execute_in_process(instance=instance)
    result.output_for_node("predictions").to_csv(sys.argv[1], index=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize("program", [PREFECT, DAGSTER], ids=["prefect", "dagster"])
def test_pipeline_predicts_like_the_workshop(program: str, own_server: Mapping[str, str], tmp_path: Path) -> None:
    """Exécuté pour de vrai, le pipeline du document rend les prédictions d'`atelier.churn`."""
    path = tmp_path / "predictions.csv"
    finished = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=tmp_path,
        env={**os.environ, **own_server, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "docs/orchestrators")])},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )

    train, _ = churn.split_customers(churn.load_customers())
    expected = churn.predict_churn(churn.train_model(train), churn.load_customers())
    assert 0 == finished.returncode, finished.stderr
    pd.testing.assert_frame_equal(expected, pd.read_csv(path), rtol=1e-9)
