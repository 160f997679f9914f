"""Les exercices des notebooks : chaque réponse fausse connue est refusée, par un message qui aide."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import mlflow
import pytest

from atelier.mlflow.store import connected, new_store
from atelier.notebook.mlflow_transition import check, exercises
from tests.helpers.katas import ROOT
from tests.notebook.right_answers import RIGHT
from tests.notebook.wrong_answers import PIPELINES, RUNS, WRONG, fixed_setting

SOURCE = ROOT / "solutions" / "notebooks" / "01b_mlflow_transition.py"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # des erreurs voulues


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Chaque réponse commence sans rien savoir."""
    RUNS.clear()
    PIPELINES.clear()


@pytest.fixture(scope="module", autouse=True)
def notebook_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Le MLflow du notebook, où une vérification ne doit rien laisser."""
    with connected(new_store(tmp_path_factory.mktemp("notebook"))):
        yield


def _verdict(todo: int, exercise: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    check(todo, exercise)
    return capsys.readouterr().out


@pytest.mark.parametrize(("todo", "exercise", "extract"), WRONG, ids=[wrong[1].__name__ for wrong in WRONG])
def test_wrong_answer_is_refused(todo: int, exercise: Callable, extract: str) -> None:
    """Le premier verdict rouge nomme le TODO, et dit ce qui ne va pas."""
    told = next(verdict.render() for _, verdict in exercises.verdicts(todo, exercise) if verdict)

    assert f"à corriger · TODO {todo} · " in told
    assert extract in " ".join(told.split())


@pytest.mark.slow  # comme les réponses justes des katas
@pytest.mark.parametrize(("todo", "exercise"), RIGHT, ids=[right[1].__name__ for right in RIGHT])
def test_right_answer_is_green(todo: int, exercise: Callable, capsys: pytest.CaptureFixture) -> None:
    """Une réponse juste d'un autre style est verte, règle par règle, la seconde fois aussi."""
    told = _verdict(todo, exercise, capsys) + _verdict(todo, exercise, capsys)

    greens = 2 * sum(rule.todo == todo for rule in exercises.rules)
    assert (greens, False) == (told.count(f"vert · TODO {todo}"), "à corriger" in told), told


def test_check_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    """Ni run, ni expérience, ni réglage changé : le notebook continue où il en était."""
    mlflow.set_experiment("mine")
    before = (mlflow.get_tracking_uri(), os.environ["MLFLOW_EXPERIMENT_ID"], len(mlflow.search_experiments()))

    assert "vert · TODO 1" in _verdict(1, fixed_setting, capsys)
    assert before == (mlflow.get_tracking_uri(), os.environ["MLFLOW_EXPERIMENT_ID"], len(mlflow.search_experiments()))
    with mlflow.start_run() as run:
        assert os.environ["MLFLOW_EXPERIMENT_ID"] == run.info.experiment_id


def test_unknown_todo_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Un numéro qui n'existe pas ne passe pas pour un succès."""
    assert "pas de TODO 9" in _verdict(9, fixed_setting, capsys)


def test_every_todo_has_rules() -> None:
    """Chaque TODO de la source a ses règles, et chacune a un énoncé."""
    todos = {number for number in range(1, 10) if f"# TODO {number} :" in SOURCE.read_text(encoding="utf-8")}

    assert todos == {rule.todo for rule in exercises.rules} == {wrong[0] for wrong in WRONG}
    assert [] == [rule for rule in exercises.rules if not rule.text]
