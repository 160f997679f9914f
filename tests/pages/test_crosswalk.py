"""Chaque bloc de `docs/crosswalk.md` s'exécute tel quel, avec le vrai outil, et fait ce que la page en dit."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from atelier import churn
from tests.helpers.airflow import Airflow, executable, installed_airflow
from tests.helpers.katas import ROOT

# Chaque outil exécute tous ses blocs : ses imports seuls durent des secondes.
pytestmark = pytest.mark.slow
PATTERNS = range(1, 9)
RATE = pytest.approx(float(churn.load_customers()["churned"].mean()))
# Ce que rend chaque pipeline ; à la fin, ce qu'a noté la fonction prévenue de l'échec.
PREFECT = {1: RATE, 2: 3, 3: 3, 4: 9 + 9 + 1, 5: 11.1, 6: 1.0, 7: "6 h", 8: ["Failed"]}
DAGSTER = {1: RATE, 2: 3, 3: 3, 4: 9 + 1, 6: 1.0, 7: "6 h", 8: ["train"]}
AIRFLOW = {1: RATE, 2: 3, 3: 3, 5: 11.1, 6: 1.0, 7: "6 h"}

# Chaque programme exécute tous les blocs d'un dossier, et écrit ce que chacun rend.
RUN_PREFECT = """\
import importlib, json, sys
from pathlib import Path
from atelier.prefect.session import workshop_server
from atelier.prefect.settings import prepare_environment

prepare_environment()
sys.path.insert(0, sys.argv[1])
results = {}
with workshop_server():
    for name in sorted(file.stem for file in Path(sys.argv[1]).glob("*.py")):
        module = importlib.import_module(name)
        state = module.pipeline(return_state=True)
        results[name] = getattr(module, "told", None) or state.result()
print(json.dumps(results))
"""
RUN_DAGSTER = """\
import importlib, json, sys, tempfile
from pathlib import Path
import dagster as dg

sys.path.insert(0, sys.argv[1])
results = {}
for name in sorted(file.stem for file in Path(sys.argv[1]).glob("*.py")):
    module = importlib.import_module(name)
    dg.Definitions.validate_loadable(module.defs)
    jobs = [job.name for job in module.defs.jobs or []]
    with tempfile.TemporaryDirectory() as home, dg.DagsterInstance.local_temp(home) as instance:
        for job in jobs if hasattr(module, "told") else ["__ASSET_JOB", *jobs]:
            run = module.defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)
        steps = [event.step_key for event in run.all_events if event.event_type_value == "STEP_SUCCESS"]
        results[name] = getattr(module, "told", None) or run.output_for_node(steps[-1])
print(json.dumps(results))
"""
RUN_AIRFLOW = """\
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session

bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
results = {}
for dag in bag.dags.values():
    run = dag.test()
    with create_session() as session:
        found = session.query(XComModel).filter_by(dag_id=dag.dag_id, key="return_value").order_by(XComModel.timestamp)
        values = [row.value for row in found]
    results[Path(dag.fileloc).stem] = [str(run.state), values[-1] if values else None]
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def prefect_results(tmp_path_factory: pytest.TempPathFactory, own_server: Mapping[str, str]) -> dict[int, object]:
    folder = _write_blocks("Prefect", tmp_path_factory.mktemp("prefect"))
    return _run([sys.executable, "-c", RUN_PREFECT, str(folder)], folder, own_server)


@pytest.fixture(scope="module")
def dagster_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write_blocks("Dagster", tmp_path_factory.mktemp("dagster"))


@pytest.fixture(scope="module")
def dagster_results(dagster_folder: Path) -> dict[int, object]:
    # En mémoire, l'exécuteur du bloc 5 serait remplacé : il a son test.
    folder = dagster_folder / "in_process"
    folder.mkdir()
    for number in DAGSTER:
        (folder / _file(number)).write_text((dagster_folder / _file(number)).read_text("utf-8"), encoding="utf-8")
    return _run([sys.executable, "-c", RUN_DAGSTER, str(folder)], folder, {"DAGSTER_HOME": ""})


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    folder = _write_blocks("Airflow", tmp_path_factory.mktemp("dags"))
    home = tmp_path_factory.mktemp("airflow")
    (home / "churn").mkdir()
    airflow = installed_airflow(home, folder)
    airflow("dags", "reserialize")
    return airflow


@pytest.fixture(scope="module")
def airflow_results(airflow: Airflow) -> dict[int, object]:
    return _run([executable("python"), "-c", RUN_AIRFLOW, str(airflow.dags)], airflow.home, airflow.environment)


@pytest.mark.parametrize("number", PATTERNS)
def test_prefect_block_does_what_the_page_says(number: int, prefect_results: dict[int, object]) -> None:
    """Le `flow` du bloc rend la valeur attendue, ou prévient de son échec."""
    assert PREFECT[number] == prefect_results[number]


@pytest.mark.parametrize("number", DAGSTER)
def test_dagster_block_does_what_the_page_says(number: int, dagster_results: dict[int, object]) -> None:
    """Le dernier asset du bloc a la valeur attendue, ou le `hook` a prévenu."""
    assert DAGSTER[number] == dagster_results[number]


def test_dagster_executor_materializes_everything(dagster_folder: Path, tmp_path: Path) -> None:
    """Le bloc 5, avec son exécuteur à plusieurs processus : les trois candidats sont matérialisés."""
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", "*", "-f", _file(5)]
    run = subprocess.run(
        command,
        cwd=dagster_folder,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    done = set(re.findall(r"Materialized value candidate_(\d+)", run.stdout))
    assert (0, {"1", "10", "100"}, True) == (run.returncode, done, "multiprocess executor" in run.stdout), run.stdout


@pytest.mark.parametrize("number", AIRFLOW)
def test_airflow_block_does_what_the_page_says(number: int, airflow_results: dict[int, object]) -> None:
    """Le DAG du bloc réussit, et sa dernière task rend la valeur attendue."""
    assert ["success", AIRFLOW[number]] == airflow_results[number]


def test_airflow_cache_skips_what_is_there(airflow: Airflow, airflow_results: dict[int, object]) -> None:
    """Le bloc 4 écrit son fichier ; relancé, il saute le calcul."""
    assert "9" == Path(airflow.home, "churn", "features.txt").read_text(encoding="utf-8")
    assert "skipped" in airflow("dags", "test", "cache")


def test_airflow_callback_tells_the_failure(airflow: Airflow, airflow_results: dict[int, object]) -> None:
    """Le bloc 8 échoue, et la fonction est appelée avec le nom de la task."""
    assert "failed" == airflow_results[8][0]
    assert "train" == Path(airflow.home, "churn", "told.txt").read_text(encoding="utf-8")


def test_every_pattern_has_its_three_blocks() -> None:
    """Huit gestes, trois outils : aucun bloc n'échappe aux tests ci-dessus."""
    found = [(number, tool) for number, blocks in _sections().items() for tool in blocks]

    assert [(number, tool) for number in PATTERNS for tool in ("Prefect", "Dagster", "Airflow")] == found


def _sections() -> dict[int, dict[str, str]]:
    page = (ROOT / "docs" / "crosswalk.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\d)\. .*?\n(.*?)(?=^## |\Z)", page, flags=re.DOTALL | re.MULTILINE)
    return {int(number): dict(_blocks(text)) for number, text in sections}


def _blocks(text: str) -> list[tuple[str, str]]:
    return [
        (code.split("\n")[0].removeprefix("# "), code) for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    ]


def _write_blocks(tool: str, folder: Path) -> Path:
    for number, blocks in _sections().items():
        (folder / _file(number)).write_text(blocks[tool], encoding="utf-8")
    return folder


def _file(number: int) -> str:
    return f"block_{number}.py"


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> dict[int, object]:
    finished = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    lines = [line for line in finished.stdout.splitlines() if line.startswith('{"block_')]
    assert lines, finished.stdout + finished.stderr
    return {int(name.removeprefix("block_")): value for name, value in json.loads(lines[-1]).items()}
