# tué par : test_features_are_kept_by_prefect_alone
# message : un cache que Prefect ne voit pas
"""Un dictionnaire, rangé par contenu, sous la bonne policy : passé l'heure, rien n'est recalculé."""

from datetime import timedelta

import pandas as pd
from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE

from atelier import churn


_DONE = {}


@task(
    task_run_name="features for {label}",
    cache_policy=INPUTS + TASK_SOURCE - "label",
    cache_expiration=timedelta(hours=1),
)
def compute_features(customers: pd.DataFrame, label: str) -> pd.DataFrame:
    """Calcule les features ; `label` dit qui les demande, et ne sert qu'au nom du run."""
    key = customers.to_csv()
    if key not in _DONE:
        _DONE[key] = churn.engineer_features(customers)
    return _DONE[key]


@task(
    cache_policy=INPUTS + TASK_SOURCE,
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
