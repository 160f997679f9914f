# tué par : test_second_selection_owes_nothing_to_the_first
# message : le meilleur : 0.0027182818
"""`lru_cache` sur la lecture : les clients du premier run."""

from dataclasses import dataclass
from functools import lru_cache
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
    return churn.evaluate_model(model, holdout)["auc"]


def gather(futures: dict[PrefectFuture, float]) -> tuple[dict[float, float], dict[float, str]]:
    """Attend tous les candidats ; `futures` dit de quel `C` chaque résultat viendra."""
    aucs, failures = {}, {}
    for future in as_completed(list(futures)):
        C, outcome = futures[future], future.result(raise_on_failure=False)
        announce(C, outcome)
        if isinstance(outcome, Exception):
            failures[C] = str(outcome)
        else:
            aucs[C] = outcome
    return aucs, failures


def choose(aucs: dict[float, float], failures: dict[float, str]) -> float:
    """Rend le `C` du meilleur candidat."""
    if not aucs:
        raise RuntimeError(f"aucun candidat n'a abouti : {failures}")
    return max(aucs, key=aucs.get)


@lru_cache
def read(path):
    return churn.split_customers(churn.load_customers(path))


@flow(
    task_runner=ThreadPoolTaskRunner(max_workers=3),
)
def select_model(candidates: list[float], path: Path = churn.DATA) -> Selection:
    """Entraîne tous les candidats et choisit le meilleur."""
    train, holdout = read(path)
    futures = {train_candidate.submit(train, holdout, C): C for C in candidates}
    aucs, failures = gather(futures)
    return Selection(choose(aucs, failures), aucs, failures)
