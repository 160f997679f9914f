"""Kata 10 : décider quel modèle sert, et pouvoir revenir en arrière."""

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
    # TODO 1 : chargez les deux modèles par leur alias, et mesurez-les sur les mêmes clients.
    # BEGIN SOLUTION
    models = [mlflow.sklearn.load_model(f"models:/{name}@{alias}") for alias in ("champion", "challenger")]
    champion, challenger = (churn.evaluate_model(model, holdout)["auc"] for model in models)
    return challenger - champion
    # END SOLUTION


def promote_if_better(name: str, holdout: pd.DataFrame, author: str) -> bool:
    """Fait du challenger le champion, s'il gagne au moins `MARGIN` ou s'il n'y en a pas. Dit s'il l'est devenu."""
    client = mlflow.MlflowClient()
    challenger = client.get_model_version_by_alias(name, "challenger").version
    # TODO 2 : promu, il prend l'alias « champion », et l'ancien « previous ». Tags : `promoted_by` et `auc_gain`.
    # BEGIN SOLUTION
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
    # END SOLUTION


def rollback(name: str) -> str:
    """Rend son titre au champion d'avant ; rend sa version."""
    # TODO 3 : « champion » retourne à la version « previous ».
    # BEGIN SOLUTION
    client = mlflow.MlflowClient()
    previous = client.get_model_version_by_alias(name, "previous").version
    client.set_registered_model_alias(name, "champion", previous)
    return previous
    # END SOLUTION


def score_batch(name: str, customers: pd.DataFrame, path: Path) -> None:
    """Écrit les prédictions du champion dans un CSV, en entier ou pas du tout."""
    # TODO 4 : écrivez d'abord à côté, dans le même dossier ; le fichier fini prend la place de l'ancien.
    # BEGIN SOLUTION
    model = mlflow.sklearn.load_model(f"models:/{name}@champion")
    draft = path.with_suffix(".tmp")
    churn.predict_churn(model, customers).to_csv(draft, index=False)
    draft.replace(path)
    # END SOLUTION


def score_online(url: str, customers: pd.DataFrame) -> list[int]:
    """Demande les prédictions au serveur du modèle, à `url`/invocations."""
    features = churn.engineer_features(customers)
    # TODO 5 : envoyez les features, sans attendre plus de `TIMEOUT_SECONDS`. Un refus : une `ValueError`, et sa raison.
    # BEGIN SOLUTION
    payload = {"dataframe_split": features.to_dict(orient="split")}
    response = requests.post(f"{url}/invocations", json=payload, timeout=TIMEOUT_SECONDS)
    if not response.ok:
        raise ValueError(response.text)
    return response.json()["predictions"]
    # END SOLUTION


if __name__ == "__main__":
    from atelier.workshop import state_dir, workshop_store

    train, test = churn.split_customers(churn.load_customers())
    with workshop_store():
        for C in (0.0001, 1.0):
            version = register_challenger("churn", churn.train_model(train, C=C), churn.engineer_features(train))
            print(f"version {version}, C = {C} : promue ? {promote_if_better('churn', test, 'moi')}")
        score_batch("churn", churn.load_customers(), state_dir() / "predictions.csv")
