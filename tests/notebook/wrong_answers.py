"""Des réponses fausses aux exercices de `01b_mlflow_transition`, et ce que chacune doit s'entendre dire."""

from typing import Any

import mlflow
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from atelier import churn
from tests.notebook.gestures import TEST, TRAIN, auc, fit, log


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
    return log(C, 1.0, auc(model, TRAIN), auc(model, TEST))


def setting_not_used(C: float) -> str:
    model = churn.train_model(TRAIN)
    return log(C, C, auc(model, TRAIN), auc(model, TEST))


def swapped_scores(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    return log(C, C, auc(model, TEST), auc(model, TRAIN))


def train_score_twice(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    return log(C, C, auc(model, TRAIN), auc(model, TRAIN))


def accuracy_instead_of_auc(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    accuracies = [churn.evaluate_model(model, part)["accuracy"] for part in (TRAIN, TEST)]
    return log(C, C, *accuracies)


def no_scaler(train: Any, C: float) -> Any:
    return fit(make_pipeline(LogisticRegression(C=C)), train)


def never_fitted(train: Any, C: float) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=C))


def setting_forgotten(train: Any, C: float) -> Any:
    return fit(make_pipeline(StandardScaler(), LogisticRegression()), train)


def all_customers(train: Any, C: float) -> Any:
    return fit(make_pipeline(StandardScaler(), LogisticRegression(C=C)), TRAIN)


def scaled_outside(train: Any, C: float) -> Any:
    scaled = StandardScaler().fit_transform(churn.engineer_features(train))
    return LogisticRegression(C=C).fit(scaled, train[churn.TARGET])


def nothing_returned(train: Any, C: float) -> None:
    fit(make_pipeline(StandardScaler(), LogisticRegression(C=C)), train)


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
    return RUNS.setdefault("id", log(C, C, 0.5, 0.5))


def remembered_scores(C: float) -> str:
    if "scores" not in RUNS:
        model = churn.train_model(TRAIN, C=C)
        RUNS["scores"] = auc(model, TRAIN), auc(model, TEST)
    return log(C, C, *RUNS["scores"])


def rounded_scores(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    return log(C, C, round(auc(model, TRAIN), 3), round(auc(model, TEST), 3))


def other_names(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    with mlflow.start_run() as run:
        mlflow.log_param("C", C)
        mlflow.log_metrics({"auc_train": auc(model, TRAIN), "auc_test": auc(model, TEST)})
    return run.info.run_id


def rounded_setting(C: float) -> str:
    model = churn.train_model(TRAIN, C=C)
    return log(C, round(C), auc(model, TRAIN), auc(model, TEST))


def integer_setting(train: Any, C: float) -> Any:
    return fit(make_pipeline(StandardScaler(), LogisticRegression(C=max(C, 0.01))), train)


def inverse_setting(train: Any, C: float) -> Any:
    return fit(make_pipeline(StandardScaler(), LogisticRegression(C=1 / C)), train)


def scaled_twice(train: Any, C: float) -> Any:
    scaled = StandardScaler().fit_transform(churn.engineer_features(train))
    return make_pipeline(StandardScaler(), LogisticRegression(C=C)).fit(scaled, train[churn.TARGET])


def remembered_pipeline(train: Any, C: float) -> Any:
    if C not in PIPELINES:
        PIPELINES[C] = fit(make_pipeline(StandardScaler(), LogisticRegression(C=C)), train)
    return PIPELINES[C]


def first_customers(train: Any, C: float) -> Any:
    return fit(make_pipeline(StandardScaler(), LogisticRegression(C=C)), train.head(300))


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
    (3, other_name, "modèles : churn"),
    (3, trained_again, "un autre modèle"),
    (3, remembered_address, "un modèle de 600 clients"),
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
