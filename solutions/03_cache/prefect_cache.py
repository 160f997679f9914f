"""Kata 03 : ne pas recalculer ce qui n'a pas changé."""

from datetime import timedelta

import pandas as pd
from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE

from atelier import churn


@task(
    task_run_name="features for {label}",
    # TODO 1 : gardez le résultat, et resservez-le tant que ni les entrées ni le code ne changent.
    # TODO 2 : une entrée fait exception : `label` ne compte pas.
    # BEGIN SOLUTION
    cache_policy=INPUTS + TASK_SOURCE - "label",
    # END SOLUTION
    # TODO 3 : au bout d'une heure, ne le servez plus.
    # BEGIN SOLUTION
    cache_expiration=timedelta(hours=1),
    # END SOLUTION
)
def compute_features(customers: pd.DataFrame, label: str) -> pd.DataFrame:
    """Calcule les features ; `label` dit qui les demande, et ne sert qu'au nom du run."""
    return churn.engineer_features(customers)


@task(
    # TODO 4 : gardez aussi le modèle. Quelles entrées comptent, cette fois ?
    # BEGIN SOLUTION
    cache_policy=INPUTS + TASK_SOURCE,
    # END SOLUTION
)
def train_model(features: pd.DataFrame, churned: pd.Series, C: float):
    """Entraîne le modèle : long et coûteux. Plus `C` est petit, plus le modèle est simple."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=C)).fit(features, churned)


@flow
def churn_pipeline(label: str, C: float = 1.0):
    """Calcule les features, puis entraîne."""
    customers = churn.load_customers()
    features = compute_features(customers, label)
    return train_model(features, customers["churned"], C)


if __name__ == "__main__":
    from atelier.workshop import workshop_server

    with workshop_server():
        churn_pipeline("morning", C=1.0)
        churn_pipeline("evening", C=0.1)
