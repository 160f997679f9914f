# tué par : test_each_hyperparameter_has_its_model
# message : a changé les modèles déjà rendus
"""Un seul modèle pour tous les réglages : chaque entraînement change ceux d'avant."""

from datetime import timedelta

import pandas as pd
from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE

from atelier import churn


@task(
    task_run_name="features for {label}",
    cache_policy=INPUTS + TASK_SOURCE - "label",
    cache_expiration=timedelta(hours=1),
)
def compute_features(customers: pd.DataFrame, label: str) -> pd.DataFrame:
    """Calcule les features ; `label` dit qui les demande, et ne sert qu'au nom du run."""
    return churn.engineer_features(customers)


MODEL = None


@task(
    cache_policy=INPUTS + TASK_SOURCE,
)
def train_model(features: pd.DataFrame, churned: pd.Series, C: float):
    """Entraîne le modèle : long et coûteux. Plus `C` est petit, plus le modèle est simple."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    global MODEL
    if MODEL is None:
        MODEL = make_pipeline(StandardScaler(), LogisticRegression())
    return MODEL.set_params(logisticregression__C=C).fit(features, churned)


@flow
def churn_pipeline(label: str, C: float = 1.0):
    """Calcule les features, puis entraîne."""
    customers = churn.load_customers()
    features = compute_features(customers, label)
    return train_model(features, customers["churned"], C)
