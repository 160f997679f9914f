"""Une référence que pydantic vérifie : `FilePath`."""

from pathlib import Path
from typing import Literal

import joblib
import pandas as pd
from prefect import flow, task
from pydantic import BaseModel, Field, FilePath

from atelier import churn


class Hyperparameters(BaseModel, extra="forbid"):  # un nom inconnu est refusé : c'est une faute de frappe
    """Ce qui se règle d'un entraînement à l'autre."""

    C: float = Field(default=1.0, gt=0, le=100)
    solver: Literal["lbfgs", "newton-cholesky"] = "lbfgs"
    max_iter: int = Field(default=200, ge=50, le=1000)


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


@flow
def data_preparation(
    path: FilePath,
) -> pd.DataFrame:
    """Prépare des clients, qu'on les apprenne ou qu'on les prédise."""
    return add_features(load_customers(path))


@flow(
    flow_run_name="training C={hyperparameters.C} solver={hyperparameters.solver}",
)
def training(
    customers: Path,
    model: Path,
    hyperparameters: Hyperparameters = Hyperparameters(),  # noqa: B008
) -> None:
    """Prépare les clients, entraîne, range le modèle à l'endroit demandé."""
    prepared = data_preparation(customers)
    fit_model(prepared, hyperparameters, model)


@flow
def inference(customers: Path, model: Path) -> pd.Series:
    """Prépare les clients de la même façon, et prédit."""
    prepared = data_preparation(customers)
    return predict(prepared, model)
