"""Ce que le harnais tire de Dagster : des erreurs en français, un récit fidèle, un kata qui se lance."""

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from atelier import churn
from atelier.dagster.errors import told
from atelier.mlflow.store import connected, new_store
from atelier.sandbox.mistakes import StudentMistake
from tests.helpers.katas import ROOT

if TYPE_CHECKING:
    import dagster as dg

    from atelier.dagster.probe import Probe

FOLDER = "08_assets"
MODULE = "dagster_assets.py"
README = ROOT / "katas" / FOLDER / "README.md"
GRAPH = """\
@dg.asset
def a({a}):
    return 1

@dg.asset
def b({b}):
    return {value}

@dg.asset
def c(b):
    return b

@dg.asset_check(asset=b, blocking=True)
def b_is_two(b):
    return dg.AssetCheckResult(passed=b == 2)

defs = dg.Definitions(assets=[a, b, c], asset_checks=[b_is_two])
"""
CONFIG = """\
class Settings(dg.Config):
    {field}

@dg.asset
def a(config{annotation}) -> int:
    return {value}

defs = dg.Definitions(assets=[a])
"""
SCHEDULE = """\
@dg.asset
def a():
    return 1

defs = dg.Definitions(assets=[a], schedules=[dg.ScheduleDefinition({arguments})])
"""
EVERYTHING = "target=dg.AssetSelection.all()"


def _graph(a: str = "", b: str = "a", value: str = "a + 1") -> str:
    return GRAPH.format(a=a, b=b, value=value)


def _config(field: str = "C: float = 1.0", annotation: str = ": Settings", value: str = "1") -> str:
    return CONFIG.format(field=field, annotation=annotation, value=value)


def _schedule(*arguments: str) -> str:
    return SCHEDULE.format(arguments=", ".join(arguments))


MISTAKES = {
    _graph(b="aa", value="1"): "aucun asset ne s'appelle « aa »",
    _graph(b="customers", value="1"): "aucun asset ne s'appelle « customers »",
    _graph(b="b", value="1"): "« b » se reçoit lui-même",
    _graph(a="c"): "une boucle passe par « ",
    _graph() + "defs = dg.Definitions(assets=[a, dg.asset(name='a')(lambda: 2)])": "deux assets s'appellent « a »",
    _graph(b="", value="a.columns"): "l'asset lui-même",
    _graph(value="dg.MaterializeResult(metadata={'n': 1})"): "Dagster n'a rien gardé de « b »",
    _graph(value="dg.MaterializeResult(value=1, metadata={'n': {1}})"): "« n » est un set",
    _graph().replace("b == 2", "'oui'"): "'oui', qui n'est pas de Python",
    _graph().replace("def b_is_two(b)", "def b_is_two(b, a)"): "un autre argument",
    _config(field="C = 1.0"): "« C » n'a pas de type",
    _config(field="C: object = 1.0"): "« object »",
    _config(annotation=""): "`config` sans annotation",
    _config(field="C: float"): "« a » exige une configuration",
    _config(value="'1'"): "annoncé : Int ; rendu : str",
    _schedule("name='s'", EVERYTHING, "cron_schedule='6h'"): "« 6h »",
    _schedule("name='s'", EVERYTHING, "cron_schedule='0 6 * * *'", "execution_timezone='Paris'"): "« Paris »",
    _schedule(EVERYTHING, "cron_schedule='0 6 * * *'"): "aucun nom",
    _schedule("name='s'", "cron_schedule='0 6 * * *'"): "aucune cible",
}


@pytest.fixture
def probe(tmp_path: Path) -> "Iterator[Probe]":
    # Ici seulement : chaque processus de pytest-xdist lit ce fichier, un seul en joue les tests.
    import dagster as dg

    from atelier.dagster.probe import Probe

    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        yield Probe(instance, tmp_path / "storage")


@pytest.mark.parametrize(("code", "explanation"), MISTAKES.items(), ids=MISTAKES.values())
def test_mistake_is_told_in_french(code: str, explanation: str, probe: "Probe") -> None:
    """Une erreur que l'on fait en apprenant Dagster, et qu'il dit en anglais ou pas du tout, se dit en français."""
    try:
        text = str(probe.materialize(_defs(code)))
    except StudentMistake as mistake:
        text = mistake.got
    except Exception as error:
        text = told(error)

    assert explanation in text


def test_unknown_error_keeps_its_own_words() -> None:
    """Ce que l'on ne sait pas expliquer reste tel quel, sur une ligne."""
    assert "ValueError : un" == told(ValueError("un\ndeux"))
    assert "KeyError" == told(KeyError())


def test_mistake_points_at_its_function(probe: "Probe") -> None:
    """Un argument qui n'est le nom d'aucun asset se cherche dans la fonction qui le demande."""
    with pytest.raises(StudentMistake) as caught:
        probe.lineage(_defs(_graph(b="aa", value="1")))

    assert ("student.py", 5) == (caught.value.path, caught.value.line)


def test_record_tells_the_run(probe: "Probe") -> None:
    """Calculé, réussi, puis, d'un run à l'autre, relu."""
    defs = _defs(_graph())

    first, second = probe.materialize(defs), probe.materialize(defs, "b", "c")

    assert "a calculé ; b calculé ; b_is_two réussi ; c calculé" == str(first)
    assert "b calculé ; b_is_two réussi ; c calculé (relus : a)" == str(second)
    assert (1, 2, 2) == tuple(map(probe.times_materialized, "abc"))
    assert "  a         relu\n  b         calculé" == "\n".join(second.table().splitlines()[:2])


def test_record_tells_what_is_blocked(probe: "Probe") -> None:
    """Un check raté bloque sans être une erreur ; une exception en est une, et bloque aussi."""
    failed = probe.materialize(_defs(_graph(value="3")))
    broken = probe.materialize(_defs(_graph(value="1 / 0")))

    assert ("a calculé ; b calculé ; b_is_two raté ; c bloqué", None) == (str(failed), failed.error)
    assert "a calculé ; b en échec (ZeroDivisionError : division by zero) ; c bloqué" == str(broken)
    assert isinstance(broken.error, ZeroDivisionError)


def test_refused_launch_computes_nothing(probe: "Probe") -> None:
    """Une configuration que Dagster refuse n'est pas une exception : c'est un run qui n'a pas eu lieu."""
    record = probe.materialize(_defs(_config()), config={"a": {"C": "beaucoup"}})

    assert [] == record.computed
    assert "le lancement refusé (dans la configuration de « a », C = beaucoup n'est pas du type Float)" == str(record)


@pytest.mark.parametrize("root", ["katas", "solutions"])
def test_interface_loads_the_kata(root: str, probe: "Probe") -> None:
    """Dagster charge le fichier de départ comme la solution : l'interface n'est jamais rouge au départ."""
    defs = runpy.run_path(str(ROOT / root / FOLDER / MODULE))["defs"]

    assert {"customers", "training_customers", "holdout_customers", "model", "predictions"} == set(probe.lineage(defs))


@pytest.mark.slow
def test_kata_runs_as_a_script(tmp_path: Path) -> None:
    """`python solutions/08_assets/…` raconte ses deux runs, et n'écrit rien chez l'utilisateur."""
    finished = _script("solutions", tmp_path)

    first, second = finished.stdout.split("\n\n")[:2]
    assert ("", 0) == (finished.stderr, finished.returncode)
    assert re.search(r"model_beats_majority +réussi\n +predictions +calculé$", first)
    assert re.search(r"training_customers +relu\n +model +calculé\n.*raté\n +predictions +bloqué$", second)
    assert [] == [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_stub_as_a_script_says_what_is_missing(tmp_path: Path) -> None:
    """Le fichier de départ se lance aussi, et dit ce qui lui manque."""
    finished = _script("katas", tmp_path)

    assert 0 == finished.returncode, finished.stderr
    assert re.search(r"training_customers +en échec \(l'asset lui-même, .* un argument manque\)", finished.stdout)


def test_readme_compares_two_pipelines_that_exist(probe: "Probe") -> None:
    """Les deux pipelines que compare le README se chargent ; celui de Dagster produit un modèle."""
    import dagster as dg

    prefect, dagster = _blocks()[:2]
    names: dict[str, object] = {}
    exec(compile(prefect, "readme.py", "exec", dont_inherit=True), {})
    exec(compile(dagster, "readme.py", "exec", dont_inherit=True), names)

    record = probe.materialize(dg.Definitions(assets=[names["customers"], names["model"]]))

    assert "customers calculé ; model calculé" == str(record)


def test_readme_tracks_the_model_in_mlflow(probe: "Probe", tmp_path: Path) -> None:
    """Le code donné pour MLflow note le modèle gardé par Dagster ; de chaque run, on retrouve l'autre."""
    import mlflow

    training, holdout = churn.split_customers(churn.load_customers().head(400))
    model = churn.train_model(training, C=0.5)
    probe.store(model=model, holdout_customers=holdout)
    names = runpy.run_path(str(ROOT / "solutions" / FOLDER / MODULE))

    with connected(new_store(tmp_path)):
        exec(compile(_blocks()[2], "readme.py", "exec", dont_inherit=True), names)
        record = probe.materialize(names["defs"], "mlflow_run")
        [run] = mlflow.search_runs(experiment_names=["churn"], output_format="list")

    assert "mlflow_run calculé (relus : holdout_customers, model)" == str(record)
    assert (run.info.status, run.data.params) == ("FINISHED", {"C": "0.5"})
    assert run.data.metrics == pytest.approx(churn.evaluate_model(model, holdout))
    assert record.metadata["mlflow_run"]["run"].value.endswith(f"/runs/{run.info.run_id}")
    assert run.data.tags["dagster.run_id"]


def _defs(code: str) -> "dg.Definitions":
    import dagster as dg

    names: dict[str, object] = {"dg": dg}
    exec(compile(code, "student.py", "exec", dont_inherit=True), names)
    return names["defs"]


def _blocks() -> list[str]:
    found = re.findall(
        r"^( *)```python\n(.*?)^ *```", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


def _script(root: str, folder: Path) -> subprocess.CompletedProcess[str]:
    home = folder / "home"
    (home / "dagster").mkdir(parents=True)
    environment: Mapping[str, str] = {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "ATELIER_HOME": str(folder / "state"),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        [sys.executable, str(ROOT / root / FOLDER / MODULE)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
