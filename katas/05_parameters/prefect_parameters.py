"""Kata 05 : des réglages vérifiés avant le départ, une préparation que deux `flows` partagent."""

from pathlib import Path
from typing import Literal

import joblib
import pandas as pd
from prefect import flow, task
from pydantic import BaseModel, Field

from atelier import churn


class Hyperparameters(BaseModel, extra="forbid"):  # un nom inconnu est refusé : c'est une faute de frappe
    """Ce qui se règle d'un entraînement à l'autre."""

    # TODO 1 : déclarez `C`, `solver` et `max_iter` : le type, ce qui est permis, la valeur par défaut.


@task
def load_customers(path: Path) -> pd.DataFrame:
    """Lit des clients ; de ceux à prédire, on ne connaît pas encore `churned`."""
    return pd.read_csv(path, index_col=churn.ID)


@task
def add_features(customers: pd.DataFrame) -> pd.DataFrame:
    """Calcule les features ; `churned` les suit, si on le connaît."""
    return churn.engineer_features(customers).join(customers.filter([churn.TARGET]))


@task
def fit_model(prepared: pd.DataFrame, hyperparameters: Hyperparameters, path: Path) -> None:
    """Entraîne le modèle et le range dans un fichier."""
    model = churn.build_model(**hyperparameters.model_dump())
    joblib.dump(model.fit(prepared.drop(columns=churn.TARGET), prepared[churn.TARGET]), path)


@task
def predict(prepared: pd.DataFrame, path: Path) -> pd.Series:
    """Relit le modèle et rend, pour chaque client, la probabilité qu'il parte."""
    model = joblib.load(path)
    return pd.Series(model.predict_proba(prepared[model.feature_names_in_])[:, 1], index=prepared.index)


# TODO 2 : faites un flow de cette fonction ; il reçoit de quoi lire les clients, et ajoute leurs features.
def data_preparation(
) -> pd.DataFrame:
    """Prépare des clients, qu'on les apprenne ou qu'on les prédise."""
    raise NotImplementedError("TODO 2")


@flow(
    # TODO 3 : ajoutez le paramètre `hyperparameters`, facultatif ; nommez chaque run d'après lui.
)
def training(
    customers: Path,
    model: Path,
) -> None:
    """Prépare les clients, entraîne, range le modèle à l'endroit demandé."""
    # TODO 4 : préparez les clients par le sous-flow, puis entraînez.
    raise NotImplementedError("TODO 4")


@flow
def inference(customers: Path, model: Path) -> pd.Series:
    """Prépare les clients de la même façon, et prédit."""
    # TODO 5 : préparez les clients par le même sous-flow, puis prédisez.
    raise NotImplementedError("TODO 5")


if __name__ == "__main__":
    from atelier.workshop import state_dir, workshop_server

    with workshop_server():
        model = state_dir() / "model.joblib"
        training(churn.DATA, model, hyperparameters={"C": 0.1})
        print(inference(churn.DATA, model).nlargest(3))
        training.to_deployment("form", parameters={"customers": str(churn.DATA), "model": str(model)}).apply()
