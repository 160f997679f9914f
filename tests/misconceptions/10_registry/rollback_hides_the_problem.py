# tué par : test_rollback_without_former_champion_fails
# message : aucune erreur
"""Sans version d'avant, on fait comme si de rien n'était."""

from pathlib import Path

import mlflow
import pandas as pd
import requests

from atelier import churn

MARGIN = 0.01
TIMEOUT_SECONDS = 10


def register_challenger(name: str, model, features: pd.DataFrame) -> str:
    """Enregistre un modèle comme nouvelle version, et lui donne l'alias « challenger »."""
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(model, name="model", input_example=features.head(3))
    version = mlflow.register_model(logged.model_uri, name).version
    mlflow.MlflowClient().set_registered_model_alias(name, "challenger", version)
    return version


def has_champion(name: str) -> bool:
    """Dit si une version porte déjà l'alias « champion »."""
    return "champion" in mlflow.MlflowClient().get_registered_model(name).aliases


def auc_gain(name: str, holdout: pd.DataFrame) -> float:
    """De combien l'AUC du challenger dépasse celle du champion (négatif s'il est moins bon)."""
    models = [mlflow.sklearn.load_model(f"models:/{name}@{alias}") for alias in ("champion", "challenger")]
    champion, challenger = (churn.evaluate_model(model, holdout)["auc"] for model in models)
    return challenger - champion


def promote_if_better(name: str, holdout: pd.DataFrame, author: str) -> bool:
    """Fait du challenger le champion, s'il gagne au moins `MARGIN` ou s'il n'y en a pas. Dit s'il l'est devenu."""
    client = mlflow.MlflowClient()
    challenger = client.get_model_version_by_alias(name, "challenger").version
    if has_champion(name):
        gain = auc_gain(name, holdout)
        if gain < MARGIN:
            return False
        former = client.get_model_version_by_alias(name, "champion").version
        client.set_registered_model_alias(name, "previous", former)
        client.set_model_version_tag(name, challenger, "auc_gain", f"{gain:.4f}")
    client.set_model_version_tag(name, challenger, "promoted_by", author)
    client.set_registered_model_alias(name, "champion", challenger)
    return True


def rollback(name: str) -> str:
    """Rend son titre au champion d'avant ; rend sa version."""
    client = mlflow.MlflowClient()
    aliases = client.get_registered_model(name).aliases
    previous = aliases.get("previous", aliases["champion"])
    client.set_registered_model_alias(name, "champion", previous)
    return previous


def score_batch(name: str, customers: pd.DataFrame, path: Path) -> None:
    """Écrit les prédictions du champion dans un CSV, en entier ou pas du tout."""
    model = mlflow.sklearn.load_model(f"models:/{name}@champion")
    draft = path.with_suffix(".tmp")
    churn.predict_churn(model, customers).to_csv(draft, index=False)
    draft.replace(path)


def score_online(url: str, customers: pd.DataFrame) -> list[int]:
    """Demande les prédictions au serveur du modèle, à `url`/invocations."""
    features = churn.engineer_features(customers)
    payload = {"dataframe_split": features.to_dict(orient="split")}
    response = requests.post(f"{url}/invocations", json=payload, timeout=TIMEOUT_SECONDS)
    if not response.ok:
        raise ValueError(response.text)
    return response.json()["predictions"]
