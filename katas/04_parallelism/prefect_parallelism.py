"""Kata 04 : entraîner plusieurs candidats en même temps, et n'en garder qu'un."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from prefect import flow, task
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from atelier import churn


@dataclass(frozen=True)
class Selection:
    """Le candidat retenu, l'AUC de chaque candidat et l'erreur de chacun de ceux qui ont échoué, rangées par `C`."""

    best: float
    aucs: dict[float, float]
    failures: dict[float, str]


def announce(C: float, outcome: float | Exception) -> None:
    """Affiche le sort d'un candidat : son AUC, ou son erreur."""
    print(f"C = {C} : {outcome}", flush=True)


@task(task_run_name="C = {C}")
def train_candidate(train: pd.DataFrame, holdout: pd.DataFrame, C: float) -> float:
    """Entraîne un candidat, et le mesure sur des clients qu'il n'a jamais vus."""
    model = churn.train_model(train, C=C)
    # TODO 1 : rendez l'AUC de ce modèle.
    raise NotImplementedError("TODO 1")


def gather(futures: dict[PrefectFuture, float]) -> tuple[dict[float, float], dict[float, str]]:
    """Attend tous les candidats ; `futures` dit de quel `C` chaque résultat viendra."""
    aucs, failures = {}, {}
    # TODO 2 : dès qu'un candidat finit, annoncez-le, puis rangez-le dans l'un des deux dictionnaires.
    raise NotImplementedError("TODO 2")
    return aucs, failures


def choose(aucs: dict[float, float], failures: dict[float, str]) -> float:
    """Rend le `C` du meilleur candidat."""
    # TODO 3 : choisissez. S'il ne reste personne, levez une erreur qui dise pourquoi.
    raise NotImplementedError("TODO 3")


@flow(
    # TODO 4 : jamais plus de trois entraînements à la fois.
)
def select_model(candidates: list[float], path: Path = churn.DATA) -> Selection:
    """Entraîne tous les candidats et choisit le meilleur."""
    train, holdout = churn.split_customers(churn.load_customers(path))
    # TODO 5 : lancez tous les candidats, sans en attendre aucun.
    raise NotImplementedError("TODO 5")
    aucs, failures = gather(futures)
    return Selection(choose(aucs, failures), aucs, failures)


if __name__ == "__main__":
    from atelier.workshop import workshop_server

    with workshop_server():
        print(select_model([100, 10, 1, -1, 0.1, 0.01, 0.001, 0.0001]))
