"""Ce que les katas précédents ont déjà fait écrire, et que le kata 11 assemble."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import requests

from atelier import churn

TIMEOUT_SECONDS = 5


def download_customers(url: str) -> pd.DataFrame:
    """Télécharge les clients (kata 01). Lève `requests.RequestException` ou `DataError`."""
    response = requests.get(url, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    return churn.parse_customers(response.text, source=url)


def log_candidate(train: pd.DataFrame, C: float, experiment: str) -> str:
    """Entraîne un modèle dans un run MLflow qui n'est qu'à lui (kata 09) ; rend l'identifiant de ce run."""
    import mlflow

    mlflow.set_experiment(experiment)
    with mlflow.start_run(run_name=f"C={C}") as run:
        mlflow.log_param("C", C)
        model, example = churn.train_model(train, C=C), churn.engineer_features(train.head(3))
        mlflow.sklearn.log_model(model, name="model", input_example=example)
    return run.info.run_id


def auc(model_uri: str, holdout: pd.DataFrame) -> float:
    """L'AUC d'un modèle de MLflow sur des clients qu'il n'a jamais vus (kata 10)."""
    import mlflow

    return churn.evaluate_model(mlflow.sklearn.load_model(model_uri), holdout)["auc"]


def write_predictions(model_uri: str, customers: pd.DataFrame, path: Path) -> None:
    """Écrit les prédictions en entier, ou laisse l'ancien fichier (kata 10)."""
    import mlflow

    draft = path.with_suffix(".tmp")
    try:
        churn.predict_churn(mlflow.sklearn.load_model(model_uri), customers).to_csv(draft, index=False)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def alert_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """Un hook : poste l'échec sur Discord si `DISCORD_WEBHOOK_URL` est là (kata 07). Ne lève jamais, tait l'adresse."""
    from prefect.logging import get_logger
    from prefect.utilities.urls import url_for

    url = os.environ.get("DISCORD_WEBHOOK_URL", "")
    if not url:
        return
    content = f"{flow.name} / {flow_run.name} : {state.name}\n{str(state.message)[:500]}\n{url_for(flow_run) or ''}"
    try:
        payload = {"content": content, "allowed_mentions": {"parse": []}}
        requests.post(url, json=payload, timeout=TIMEOUT_SECONDS).raise_for_status()
    except requests.RequestException as error:
        # Le texte de l'erreur contient l'adresse, qui est un secret.
        get_logger("atelier").warning("notification non envoyée : %s", type(error).__name__)
