"""Les flows que le worker exécute pour ces tests."""

import os
from pathlib import Path

from prefect import flow

PROOF = Path("/tmp/proof")
REGULARIZATIONS = (0.01, 0.1, 1.0, 10.0)


@flow
def proof() -> None:
    """Laisse, là où il tourne, une preuve de son passage et du secret qu'il a reçu."""
    PROOF.write_text(os.environ.get("DISCORD_WEBHOOK_URL", ""), encoding="utf-8")


@flow
def training() -> None:
    """Un entraînement ordinaire : quelques modèles, chacun gardé par MLflow."""
    import mlflow

    from atelier import churn

    mlflow.set_experiment("mesure")
    train, test = churn.split_customers(churn.load_customers())
    for strength in REGULARIZATIONS:
        with mlflow.start_run():
            model = churn.train_model(train, C=strength)
            mlflow.log_metrics(churn.evaluate_model(model, test))
            mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"])
