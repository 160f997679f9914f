"""Le fil rouge en Prefect : les mêmes étapes que `docs/airflow/dags/` et que `pipeline_dagster.py`."""

from pathlib import Path

import pandas as pd
from prefect import flow, task
from prefect.schedules import Cron
from prefect.tasks import exponential_backoff

from atelier import churn

RETRIES = {"retries": 3, "retry_delay_seconds": exponential_backoff(10)}


@task(**RETRIES)
def prepare_customers() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Découpe les clients."""
    return churn.split_customers(churn.load_customers())


@task(**RETRIES)
def train_model(train: pd.DataFrame):
    """Entraîne le modèle."""
    return churn.train_model(train)


@task(**RETRIES)
def evaluate_model(model, test: pd.DataFrame) -> dict[str, float]:
    """Mesure le modèle."""
    return churn.evaluate_model(model, test)


@task(**RETRIES)
def predict_churn(model, metrics: dict[str, float], path: Path) -> Path:
    """Prédit, si le modèle vaut mieux que la classe majoritaire."""
    if metrics["accuracy"] <= metrics["majority"]:
        raise ValueError(f"ce modèle ne vaut pas mieux que la classe majoritaire : {metrics}")
    churn.predict_churn(model, churn.load_customers()).to_csv(path, index=False)
    return path


@flow
def churn_pipeline(path: Path) -> Path:
    """Lit, entraîne, mesure, prédit."""
    train, test = prepare_customers()
    model = train_model(train)
    return predict_churn(model, evaluate_model(model, test), path)


if __name__ == "__main__":
    daily = Cron("0 6 * * *", timezone="Europe/Paris")
    churn_pipeline.serve("daily", schedule=daily, parameters={"path": "predictions.csv"})
