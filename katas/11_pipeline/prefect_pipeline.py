"""Kata 11 : le pipeline de production. Il reprend là où une panne l'a laissé, et ne refait rien pour rien."""

from pathlib import Path

import mlflow
import pandas as pd
from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE
from prefect.schedules import Cron
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff

from atelier import churn, production

FILE = Path(__file__)
MARGIN = 0.01


@task(
    # TODO 1 : trois retries, après 10, 20 et 40 s.
)
def load_customers(url: str) -> pd.DataFrame:
    """Télécharge les clients."""
    return production.download_customers(url)


@task(
    # TODO 2 : les mêmes clients et le même `C` ne s'entraînent qu'une fois, quelle que soit l'expérience.
)
def train_candidate(train: pd.DataFrame, C: float, experiment: str) -> str:
    """Entraîne un candidat ; rend l'identifiant de son run MLflow."""
    return production.log_candidate(train, C, experiment)


@task
def promote_best(run_ids: list[str], holdout: pd.DataFrame, name: str) -> None:
    """Enregistre le meilleur candidat ; il devient champion s'il gagne au moins `MARGIN`, ou s'il n'y en a pas."""
    aucs = {run_id: production.auc(f"runs:/{run_id}/model", holdout) for run_id in run_ids}
    best = max(aucs, key=aucs.get)
    client = mlflow.MlflowClient()
    # TODO 3 : trouvez la version de `name` qui vient de ce run ; enregistrez-la seulement s'il n'y en a pas.
    raise NotImplementedError("TODO 3")
    has_champion = "champion" in client.get_registered_model(name).aliases
    if not has_champion or aucs[best] - production.auc(f"models:/{name}@champion", holdout) >= MARGIN:
        client.set_registered_model_alias(name, "champion", version)


@task
def write_predictions(name: str, customers: pd.DataFrame, path: Path) -> None:
    """Écrit les prédictions du champion."""
    production.write_predictions(f"models:/{name}@champion", customers, path)


@flow(
    # TODO 4 : deux entraînements à la fois, pas plus ; et `production.alert_failure` prévient d'un échec.
)
def production_pipeline(url: str, path: Path, candidates: list[float], name: str = "churn") -> None:
    """Télécharge, entraîne les candidats en même temps, promeut le meilleur, prédit."""
    # TODO 5 : enchaînez les quatre tasks ; entraînez sur `train`, comparez sur `holdout`, dans l'expérience `name`.
    raise NotImplementedError("TODO 5")


def deploy(environment: str, parameters: dict) -> None:
    """Confie le pipeline au worker : tous les jours à 6 h, et jamais deux runs à la fois."""
    code = production_pipeline.from_source(str(FILE.parent), f"{FILE.name}:production_pipeline")
    daily = Cron("0 6 * * *", timezone="Europe/Paris")
    options = {"schedule": daily, "parameters": parameters, "tags": ["atelier"], "concurrency_limit": 1}
    code.deploy(environment, work_pool_name="default-pool", print_next_steps=False, **options)


if __name__ == "__main__":
    from atelier.workshop import OK, FlakySource, state_dir, workshop_server, workshop_store

    with workshop_server(), workshop_store(), FlakySource([503, OK]) as source:
        production_pipeline(source.url, state_dir() / "predictions.csv", [0.01, 1.0])
