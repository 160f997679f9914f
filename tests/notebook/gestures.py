"""Les gestes que partagent les réponses aux exercices de `01b_mlflow_transition`."""

from typing import Any

import mlflow

from atelier import churn

TRAIN, TEST = churn.split_customers(churn.load_customers())


def auc(model: Any, customers: Any) -> float:
    """L'AUC de ce modèle sur ces clients."""
    return churn.evaluate_model(model, customers)["auc"]


def log(C: float, param: float, train_auc: float, test_auc: float) -> str:
    """Un run qui note ce réglage et ces deux mesures ; rend son identifiant."""
    with mlflow.start_run() as run:
        mlflow.log_param("C", param)
        mlflow.log_metrics({"train_auc": train_auc, "test_auc": test_auc})
    return run.info.run_id


def fit(model: Any, train: Any) -> Any:
    """Ce modèle, entraîné sur ces clients."""
    return model.fit(churn.engineer_features(train), train[churn.TARGET])
