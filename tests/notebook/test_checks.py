"""Les exercices des notebooks : chaque réponse fausse connue est refusée, par un message qui aide."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import mlflow
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from atelier import churn
from atelier.mlflow.store import connected, new_store
from atelier.notebook.mlflow_transition import check, exercises
from tests.helpers.katas import ROOT

SOURCE = ROOT / "solutions" / "notebooks" / "01b_mlflow_transition.py"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # des erreurs voulues
TRAIN, TEST = churn.split_customers(churn.load_customers())


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


def same_run_for_all(C: float) -> str:
    return RUNS.setdefault("id", _log(C, C, 0.5, 0.5))


def remembered_scores(C: float) -> str:
    if "scores" not in RUNS:
        model = churn.train_model(TRAIN, C=C)
        RUNS["scores"] = _auc(model, TRAIN), _auc(model, TEST)
    return _log(C, C, *RUNS["scores"])


def rounded_scores(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    return _log(C, C, round(_auc(model, TRAIN), 3), round(_auc(model, TEST), 3))


def other_names(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    with mlflow.start_run() as run:
        mlflow.log_param("C", C)
        mlflow.log_metrics({"auc_train": _auc(model, TRAIN), "auc_test": _auc(model, TEST)})
    return run.info.run_id


def rounded_setting(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    return _log(C, round(C), _auc(model, TRAIN), _auc(model, TEST))


def integer_setting(train: Any, C: float) -> Any:
    return _fit(make_pipeline(StandardScaler(), LogisticRegression(C=max(C, 0.01))), train)


def inverse_setting(train: Any, C: float) -> Any:
    return _fit(make_pipeline(StandardScaler(), LogisticRegression(C=1 / C)), train)


def scaled_twice(train: Any, C: float) -> Any:
    scaled = StandardScaler().fit_transform(churn.engineer_features(train))
    return make_pipeline(StandardScaler(), LogisticRegression(C=C)).fit(scaled, train[churn.TARGET])


def remembered_pipeline(train: Any, C: float) -> Any:
    if C not in PIPELINES:
        PIPELINES[C] = _fit(make_pipeline(StandardScaler(), LogisticRegression(C=C)), train)
    return PIPELINES[C]


def first_customers(train: Any, C: float) -> Any:
    return _fit(make_pipeline(StandardScaler(), LogisticRegression(C=C)), train.head(300))


def raw_customers(train: Any, C: float) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=C)).fit(train, train[churn.TARGET])


def no_run(model: Any, train: Any) -> str:
    features = churn.engineer_features(train)
    return mlflow.sklearn.log_model(model, name="model", input_example=features.head(3)).model_uri


def other_name(model: Any, train: Any) -> str:
    features = churn.engineer_features(train)
    with mlflow.start_run():
        return mlflow.sklearn.log_model(model, name="churn", input_example=features.head(3)).model_uri


def trained_again(model: Any, train: Any) -> str:
    return _kept(churn.train_model(train), train)


def remembered_address(model: Any, train: Any) -> str:
    if "uri" not in RUNS:
        RUNS["uri"] = _kept(model, train)
    return RUNS["uri"]


def some_columns(model: Any, train: Any) -> str:
    features = churn.engineer_features(train).iloc[:, :5]
    signature = mlflow.models.infer_signature(features)
    with mlflow.start_run():
        return mlflow.sklearn.log_model(model, name="model", signature=signature).model_uri


def _kept(model: Any, train: Any) -> str:
    features = churn.engineer_features(train)
    with mlflow.start_run():
        return mlflow.sklearn.log_model(model, name="model", input_example=features.head(3)).model_uri


def rounded_before_choosing(experiment: str) -> str:
    runs = _search(experiment, "metrics.train_auc DESC").round({"metrics.test_auc": 2})
    return runs.sort_values("metrics.test_auc", ascending=False, kind="stable").iloc[0]["run_id"]


def remembered_run(experiment: str) -> str:
    if experiment not in RUNS:
        RUNS[experiment] = _search(experiment, "metrics.test_auc DESC").loc[0, "run_id"]
    return RUNS[experiment]


def all_but_failed(experiment: str) -> str:
    return _search(experiment, "metrics.test_auc DESC", "attributes.status != 'FAILED'").loc[0, "run_id"]


def largest_of_all_metrics(experiment: str) -> str:
    runs = mlflow.search_runs(
        experiment_names=[experiment], filter_string="attributes.status = 'FINISHED'", output_format="list"
    )
    return max(runs, key=lambda run: run.data.metrics.get("test_auc", 1)).info.run_id


def series_returned(experiment: str) -> Any:
    return _search(experiment, "metrics.test_auc DESC")["run_id"]


# Ce qu'une réponse retient à tort d'un appel à l'autre.
RUNS: dict[str, Any] = {}
PIPELINES: dict[float, Any] = {}


def other_scaler_and_solver(C: float) -> str:
    mlflow.set_experiment("another-experiment")
    model = _fit(make_pipeline(RobustScaler(), LogisticRegression(C=C, solver="newton-cg")), TRAIN)
    return _log(C, C, _auc(model, TRAIN), _auc(model, TEST))


def by_the_client(C: float) -> str:
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("by-the-client")
    id = experiment.experiment_id if experiment else client.create_experiment("by-the-client")
    run_id = client.create_run(id).info.run_id
    client.log_param(run_id, "C", C)
    model = churn.train_model(TRAIN, C=C)
    for name, part in (("train_auc", TRAIN), ("test_auc", TEST)):
        client.log_metric(run_id, name, _auc(model, part))
    client.set_terminated(run_id)
    return run_id


def more_than_asked(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    with mlflow.start_run(run_name="mine") as run:
        mlflow.log_params({"C": C, "rows": len(TRAIN)})
        for split, part in (("train", TRAIN), ("test", TEST)):
            mlflow.log_metrics({f"{split}_{name}": value for name, value in churn.evaluate_model(model, part).items()})
    return run.info.run_id


def named_steps(train: Any, C: float) -> Any:
    return _fit(Pipeline([("scaler", StandardScaler()), ("classifier", LogisticRegression(C=C))]), train)


def newton(train: Any, C: float) -> Any:
    return _fit(make_pipeline(RobustScaler(), LogisticRegression(C=C, solver="newton-cg")), train)


def between_zero_and_one(train: Any, C: float) -> Any:
    pipeline = make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=2000))
    return _fit(pipeline.set_params(logisticregression__C=C), train)


def by_its_signature(model: Any, train: Any) -> str:
    features = churn.engineer_features(train)
    signature = mlflow.models.infer_signature(features, model.predict(features))
    with mlflow.start_run():
        return mlflow.sklearn.log_model(model, name="model", signature=signature).model_uri


def by_its_run(model: Any, train: Any) -> str:
    features = churn.engineer_features(train)
    with mlflow.start_run() as run:
        mlflow.sklearn.log_model(sk_model=model, name="model", input_example=features.sample(3, random_state=0))
    return f"runs:/{run.info.run_id}/model"


def by_pandas(experiment: str) -> str:
    runs = mlflow.search_runs(experiment_names=[experiment])
    done = runs[runs["status"] == "FINISHED"].dropna(subset="metrics.test_auc")
    return done.loc[done["metrics.test_auc"].idxmax(), "run_id"]


def by_client(experiment: str) -> str:
    client = mlflow.MlflowClient()
    id = client.get_experiment_by_name(experiment).experiment_id
    runs = client.search_runs([id], "attributes.status = 'FINISHED' and metrics.test_auc >= 0")
    return max(runs, key=lambda run: run.data.metrics["test_auc"]).info.run_id


RIGHT = [
    (1, other_scaler_and_solver),
    (1, by_the_client),
    (1, more_than_asked),
    (2, named_steps),
    (2, newton),
    (2, between_zero_and_one),
    (3, by_its_signature),
    (3, by_its_run),
    (4, by_pandas),
    (4, by_client),
]
WRONG = [
    (1, run_left_open, "RUNNING"),
    (1, no_run_id, "en retour : None"),
    (1, one_run_per_number, "un run FINISHED par entraînement"),
    (1, same_run_for_all, "un run FINISHED par entraînement"),
    (1, fixed_setting, "C = 1.0 ; puis C = 1.0"),
    (1, rounded_setting, "C = 0 ; puis C = 3"),
    (1, setting_not_used, "ce que vaut un modèle réglé par C = 1.0"),
    (1, swapped_scores, "train_auc = 0.83423, test_auc = 0.84305"),
    (1, train_score_twice, "train_auc = 0.84305, test_auc = 0.84305"),
    (1, accuracy_instead_of_auc, "pour C = 0.001, train_auc = 0.84305"),
    (1, remembered_scores, "train_auc = 0.84902"),
    (1, rounded_scores, "arrondies"),
    (1, other_names, "auc_train = 0.84305"),
    (2, no_scaler, "d'écart sur la probabilité"),
    (2, integer_setting, "réglée par C = 0.01"),
    (2, inverse_setting, "réglée par C = 10000.0"),
    (2, scaled_twice, "apprises sur autre chose"),
    (2, remembered_pipeline, "avec 900 clients"),
    (2, first_customers, "apprises sur autre chose"),
    (2, raw_customers, "un Pipeline entraîné, qui prédit"),
    (2, never_fitted, "NotFittedError"),
    (2, setting_forgotten, "réglée par C = 0.0001"),
    (2, all_customers, "avec 900 clients"),
    (2, scaled_outside, "un objet de type LogisticRegression"),
    (2, nothing_returned, "obtenu : rien"),
    (3, no_example, "un modèle sans signature"),
    (3, customers_as_example, "12 colonnes"),
    (3, model_info_returned, "l'adresse d'un modèle"),
    (3, only_the_classifier, "un autre modèle"),
    (3, no_run, "aucun run"),
    (3, other_name, "modèles : « churn »"),
    (3, trained_again, "un autre modèle"),
    (3, remembered_address, "l'adresse d'un modèle scikit-learn"),
    (3, some_columns, "une signature aux colonnes : recency_days"),
    (4, best_on_train, "le run « first »"),
    (4, worst, "le run « first »"),
    (4, latest, "le run « fourth »"),
    (4, failed_ones_too, "le run « failed »"),
    (4, current_experiment, "le run « elsewhere »"),
    (4, score_returned, "un objet de type float"),
    (4, rounded_before_choosing, "le run « second »"),
    (4, remembered_run, "le run « third »"),
    (4, all_but_failed, "le run « killed »"),
    (4, largest_of_all_metrics, "le run « figure »"),
    (4, series_returned, "un objet de type Series"),
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
