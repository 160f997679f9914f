"""Mesure quatre entraînements à la suite, dans des threads, dans des processus et sur Dask : l'image du kata 04.

`make parallel-figures` : dix minutes, la machine au repos. Chaque mesure est la meilleure de trois, prises à tour de
rôle ; elle va de l'appel du flow à son retour, démarrage des processus compris.
"""

import math
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

PLOT = Path(__file__).resolve().parents[1] / "katas" / "04_parallelism" / "parallelism.svg"
RUNS, TRAININGS, WORKERS = 3, 4, 2
# Un entraînement, un cœur : sinon numpy se servirait déjà des deux, même à la suite.
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Seconds = dict[str, dict[str, float]]


def train_forest(seed: int) -> float:
    """Une forêt : de longs appels à du code compilé."""
    from sklearn.ensemble import RandomForestClassifier

    from atelier import churn

    customers = churn.load_customers()
    features = churn.engineer_features(customers)
    forest = RandomForestClassifier(n_estimators=150, random_state=seed).fit(features, customers[churn.TARGET])
    return forest.score(features, customers[churn.TARGET])


def train_small_pipelines(seed: int) -> float:
    """Cent petits modèles : beaucoup d'appels, chacun très court."""
    from atelier import churn

    customers = churn.load_customers().sample(300, random_state=seed)
    models = [churn.train_model(customers, C=0.01 * (1 + rank)) for rank in range(100)]
    return churn.evaluate_model(models[-1], customers)["auc"]


def train_by_hand(seed: int) -> float:
    """Une régression logistique écrite en Python, sans numpy."""
    dice = random.Random(seed)
    points = [(dice.gauss(0, 1), dice.gauss(0, 1)) for _ in range(2000)]
    slope = 0.0
    for _ in range(4500):
        slope += sum((y > 0) - 1 / (1 + math.exp(-slope * x)) for x, y in points) / len(points)
    return slope


TRAINERS = {
    "forêt de scikit-learn\n(code compilé)": train_forest,
    "100 petits pipelines\n(pandas et scikit-learn)": train_small_pipelines,
    "boucle écrite\nen Python": train_by_hand,
}


def main() -> int:
    """Mesure, écrit le tableau dans le terminal et l'image à côté du README du kata."""
    os.environ |= ONE_CORE
    from atelier.prefect.session import workshop_server
    from atelier.prefect.settings import prepare_environment

    prepare_environment()
    with workshop_server(), _task_runners() as runners:
        seconds = {trainer: _measure(train, runners) for trainer, train in TRAINERS.items()}
    _plot(seconds)
    print(f"{PLOT.name} est à jour")
    return 0


def _measure(train: Callable[[int], float], runners: dict[str, Callable[[], "TaskRunner"]]) -> dict[str, float]:
    best = dict.fromkeys(runners, math.inf)
    for _ in range(RUNS):
        for name, runner in runners.items():
            best[name] = min(best[name], _seconds_of_a_flow(train, runner()))
    print(
        f"{train.__name__:<24}" + "   ".join(f"{name} : {seconds:.1f} s" for name, seconds in best.items()), flush=True
    )
    return best


def _seconds_of_a_flow(train: Callable[[int], float], runner: "TaskRunner") -> float:
    from prefect import flow, task

    trainer = task(train)

    @flow(task_runner=runner)
    def train_all() -> list[float]:
        return trainer.map(range(TRAININGS)).result()

    start = time.perf_counter()
    train_all()
    return time.perf_counter() - start


@contextmanager
def _task_runners() -> Iterator[dict[str, Callable[[], "TaskRunner"]]]:
    from distributed import LocalCluster
    from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner
    from prefect_dask import DaskTaskRunner

    size = {"n_workers": WORKERS, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(**size) as cluster:
        yield {
            "à la suite": lambda: ThreadPoolTaskRunner(max_workers=1),
            "2 threads": lambda: ThreadPoolTaskRunner(max_workers=WORKERS),
            "2 processus": lambda: ProcessPoolTaskRunner(max_workers=WORKERS),
            "Dask, 2 processus neufs": lambda: DaskTaskRunner(cluster_kwargs=size),
            "Dask, 2 processus gardés": lambda: DaskTaskRunner(address=cluster.scheduler_address),
        }


def _plot(seconds: Seconds) -> None:
    import matplotlib

    matplotlib.use("svg")
    # Du texte reste du texte, et deux images des mêmes mesures sont le même fichier.
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "atelier", "font.family": "sans-serif"}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4.2), layout="constrained")
    names = list(next(iter(seconds.values())))
    width = 0.8 / len(names)
    for rank, name in enumerate(names):
        places = [group + (rank - (len(names) - 1) / 2) * width for group in range(len(seconds))]
        bars = axes.bar(places, [times[name] for times in seconds.values()], width * 0.9, label=name)
        axes.bar_label(bars, fmt=lambda value: f"{value:.1f}".replace(".", ","), fontsize=8)
    axes.set_xticks(range(len(seconds)), seconds)
    axes.set_ylabel("secondes (moins, c'est mieux)")
    axes.set_title(
        f"Quatre entraînements, {os.cpu_count()} cœurs, Python {platform.python_version()}, {date.today():%d/%m/%Y}"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(PLOT, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
