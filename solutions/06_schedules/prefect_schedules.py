"""Kata 06 : deux pipelines qui partent seuls, à l'heure de Paris."""

import sys
from pathlib import Path

from prefect import deploy, flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron

from atelier import churn

FILE = Path(__file__)


@flow
def retraining(C: float = 1.0) -> dict[str, float]:
    """Entraîne le modèle et le mesure."""
    train, test = churn.split_customers(churn.load_customers())
    return churn.evaluate_model(churn.train_model(train, C=C), test)


@flow
def scoring(threshold: float = 0.5) -> int:
    """Compte les clients à rappeler : leur probabilité de partir atteint le seuil."""
    train, today = churn.split_customers(churn.load_customers())
    predictions = churn.predict_churn(churn.train_model(train), today)
    return int((predictions["churn_probability"] >= threshold).sum())


def retraining_deployment(environment: str) -> RunnerDeployment:
    """Le réentraînement, tel qu'il tourne dans cet environnement."""
    return retraining.from_source(str(FILE.parent), f"{FILE.name}:retraining").to_deployment(
        name=environment,
        # TODO 1 : chaque jour à 6 h, heure de Paris.
        # BEGIN SOLUTION
        schedule=Cron("0 6 * * *", timezone="Europe/Paris"),
        # END SOLUTION
        # TODO 2 : `C` vaut 0.1 ; le tag « atelier » ; une description à vous.
        # BEGIN SOLUTION
        parameters={"C": 0.1},
        tags=["atelier"],
        description="Refait le modèle avant l'arrivée des conseillers, pour qu'ils appellent les bons clients.",
        # END SOLUTION
        # TODO 3 : jamais deux runs à la fois ; celui qui arrive trop tôt est annulé.
        # BEGIN SOLUTION
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        # END SOLUTION
    )


def scoring_deployment(environment: str) -> RunnerDeployment:
    """Le scoring, de même."""
    return scoring.from_source(str(FILE.parent), f"{FILE.name}:scoring").to_deployment(
        name=environment,
        # TODO 4 : du lundi au vendredi, à chaque heure ronde de 8 h à 18 h, heure de Paris ; `threshold` vaut 0.7.
        # Pour le reste, comme plus haut.
        # BEGIN SOLUTION
        schedule=Cron("0 8-18 * * 1-5", timezone="Europe/Paris"),
        parameters={"threshold": 0.7},
        tags=["atelier"],
        description="Dit aux conseillers, heure par heure, combien de clients rappeler.",
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        # END SOLUTION
    )


def deploy_all(environment: str) -> None:
    """Confie les deux deployments au worker, puis rend la main."""
    # TODO 5 : donnez-les au work pool « default-pool ».
    # BEGIN SOLUTION
    deploy(retraining_deployment(environment), scoring_deployment(environment), work_pool_name="default-pool")
    # END SOLUTION


if __name__ == "__main__":
    from atelier.workshop import workshop_server

    with workshop_server():
        if "--serve" in sys.argv:
            serve(retraining_deployment("laptop"), scoring_deployment("laptop"))
        else:
            deploy_all("production")
