"""Des réponses justes aux exercices de `01b_mlflow_transition`, chacune dans son style."""

from typing import Any

import mlflow
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from atelier import churn
from tests.notebook.gestures import TEST, TRAIN, auc, fit, log


def other_scaler_and_solver(C: float) -> str:
    mlflow.set_experiment("another-experiment")
    model = fit(make_pipeline(RobustScaler(), LogisticRegression(C=C, solver="newton-cg")), TRAIN)
    return log(C, C, auc(model, TRAIN), auc(model, TEST))


def by_the_client(C: float) -> str:
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("by-the-client")
    id = experiment.experiment_id if experiment else client.create_experiment("by-the-client")
    run_id = client.create_run(id).info.run_id
    client.log_param(run_id, "C", C)
    model = churn.train_model(TRAIN, C=C)
    for name, part in (("train_auc", TRAIN), ("test_auc", TEST)):
        client.log_metric(run_id, name, auc(model, part))
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
    return fit(Pipeline([("scaler", StandardScaler()), ("classifier", LogisticRegression(C=C))]), train)


def newton(train: Any, C: float) -> Any:
    return fit(make_pipeline(RobustScaler(), LogisticRegression(C=C, solver="newton-cg")), train)


def between_zero_and_one(train: Any, C: float) -> Any:
    pipeline = make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=2000))
    return fit(pipeline.set_params(logisticregression__C=C), train)


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
