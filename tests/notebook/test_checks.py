"""Les exercices des notebooks : chaque réponse fausse connue est refusée, par un message qui aide."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import mlflow
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from atelier import churn
from atelier.mlflow.store import connected, new_store
from atelier.notebook.mlflow_transition import check, exercises
from tests.helpers.katas import ROOT

SOURCE = ROOT / "solutions" / "notebooks" / "01b_mlflow_transition.py"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # des erreurs voulues
TRAIN, TEST = churn.split_customers(churn.load_customers())


@pytest.fixture(scope="module", autouse=True)
def notebook_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Le MLflow du notebook, où une vérification ne doit rien laisser."""
    with connected(new_store(tmp_path_factory.mktemp("notebook"))):
        yield


def _auc(model: Any, customers: Any) -> float:
    return churn.evaluate_model(model, customers)["auc"]


def _log(C: float, param: float, train_auc: float, test_auc: float) -> str:
    with mlflow.start_run() as run:
        mlflow.log_param("C", param)
        mlflow.log_metrics({"train_auc": train_auc, "test_auc": test_auc})
    return run.info.run_id


def run_left_open(C: float) -> str:
    run = mlflow.start_run()
    mlflow.log_param("C", C)
    return run.info.run_id


def no_run_id(C: float) -> None:
    with mlflow.start_run():
        mlflow.log_param("C", C)


def one_run_per_number(C: float) -> str:
    with mlflow.start_run():
        mlflow.log_param("C", C)
    with mlflow.start_run() as run:
        mlflow.log_metric("test_auc", 0.8)
    return run.info.run_id


def fixed_setting(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    return _log(C, 1.0, _auc(model, TRAIN), _auc(model, TEST))


def setting_not_used(C: float) -> str:
    model = churn.train_model(TRAIN)
    return _log(C, C, _auc(model, TRAIN), _auc(model, TEST))


def swapped_scores(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    return _log(C, C, _auc(model, TEST), _auc(model, TRAIN))


def train_score_twice(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    return _log(C, C, _auc(model, TRAIN), _auc(model, TRAIN))


def accuracy_instead_of_auc(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    accuracies = [churn.evaluate_model(model, part)["accuracy"] for part in (TRAIN, TEST)]
    return _log(C, C, *accuracies)


def _fit(model: Any, train: Any) -> Any:
    return model.fit(churn.engineer_features(train), train[churn.TARGET])


def no_scaler(train: Any, C: float) -> Any:
    return _fit(make_pipeline(LogisticRegression(C=C)), train)


def never_fitted(train: Any, C: float) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=C))


def setting_forgotten(train: Any, C: float) -> Any:
    return _fit(make_pipeline(StandardScaler(), LogisticRegression()), train)


def all_customers(train: Any, C: float) -> Any:
    return _fit(make_pipeline(StandardScaler(), LogisticRegression(C=C)), TRAIN)


def scaled_outside(train: Any, C: float) -> Any:
    scaled = StandardScaler().fit_transform(churn.engineer_features(train))
    return LogisticRegression(C=C).fit(scaled, train[churn.TARGET])


def nothing_returned(train: Any, C: float) -> None:
    _fit(make_pipeline(StandardScaler(), LogisticRegression(C=C)), train)


def no_example(model: Any, train: Any) -> str:
    with mlflow.start_run():
        return mlflow.sklearn.log_model(model, name="model").model_uri


def customers_as_example(model: Any, train: Any) -> str:
    signature = mlflow.models.infer_signature(train)
    with mlflow.start_run():
        return mlflow.sklearn.log_model(model, name="model", signature=signature).model_uri


def model_info_returned(model: Any, train: Any) -> Any:
    with mlflow.start_run():
        return mlflow.sklearn.log_model(model, name="model")


def only_the_classifier(model: Any, train: Any) -> str:
    features = churn.engineer_features(train)
    with mlflow.start_run():
        return mlflow.sklearn.log_model(model[-1], name="model", input_example=features.head(3)).model_uri


def _search(experiment: str, order: str, status: str = "attributes.status = 'FINISHED'") -> Any:
    return mlflow.search_runs(experiment_names=[experiment], filter_string=status, order_by=[order])


def best_on_train(experiment: str) -> str:
    return _search(experiment, "metrics.train_auc DESC").loc[0, "run_id"]


def worst(experiment: str) -> str:
    return _search(experiment, "metrics.test_auc ASC").loc[0, "run_id"]


def latest(experiment: str) -> str:
    return _search(experiment, "attributes.start_time DESC").loc[0, "run_id"]


def failed_ones_too(experiment: str) -> str:
    return _search(experiment, "metrics.test_auc DESC", status="").loc[0, "run_id"]


def current_experiment(experiment: str) -> str:
    return mlflow.search_runs(filter_string="attributes.status = 'FINISHED'", order_by=["metrics.test_auc DESC"]).loc[
        0, "run_id"
    ]


def score_returned(experiment: str) -> float:
    return _search(experiment, "metrics.test_auc DESC").loc[0, "metrics.test_auc"]


WRONG = [
    (1, run_left_open, "RUNNING"),
    (1, no_run_id, "en retour : None"),
    (1, one_run_per_number, "un seul run"),
    (1, fixed_setting, "paramètres : [{'C': '1.0'}, {'C': '1.0'}]"),
    (1, setting_not_used, "mesurée sur les clients d'entraînement"),
    (1, swapped_scores, "mesurée sur les clients d'entraînement"),
    (1, train_score_twice, "mesurée sur les clients d'entraînement"),
    (1, accuracy_instead_of_auc, "mesurée sur les clients d'entraînement"),
    (2, no_scaler, "d'écart sur la probabilité"),
    (2, never_fitted, "NotFittedError"),
    (2, setting_forgotten, "C = 0.0001"),
    (2, all_customers, "900 clients seulement"),
    (2, scaled_outside, "d'écart sur la probabilité"),
    (2, nothing_returned, "None"),
    (3, no_example, "un modèle sans signature"),
    (3, customers_as_example, "12 colonnes"),
    (3, model_info_returned, "l'adresse d'un modèle"),
    (3, only_the_classifier, "des prédictions différentes"),
    (4, best_on_train, "le run « first »"),
    (4, worst, "le run « first »"),
    (4, latest, "le run « third »"),
    (4, failed_ones_too, "le run « failed »"),
    (4, current_experiment, "le run « elsewhere »"),
    (4, score_returned, "un objet de type float"),
]


def _verdict(todo: int, exercise: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    check(todo, exercise)
    return capsys.readouterr().out


@pytest.mark.parametrize(("todo", "exercise", "extract"), WRONG, ids=[wrong[1].__name__ for wrong in WRONG])
def test_wrong_answer_is_refused(todo: int, exercise: Callable, extract: str, capsys: pytest.CaptureFixture) -> None:
    """Le verdict est rouge, nomme le TODO, et dit ce qui ne va pas."""
    told = _verdict(todo, exercise, capsys)

    assert f"à corriger · TODO {todo} · " in told
    assert extract in " ".join(told.split())


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
