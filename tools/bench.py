"""Mesure la boucle de chaque kata : `pytest katas/NN --solutions`, comparée à son plancher.

Le plancher est ce que rien ne peut éviter : l'interpréteur, pytest et les imports du kata. À froid : aucun processus
préchauffé. À chaud : la boucle de l'étudiant. Médianes de trois lancements, planchers et katas mesurés à tour de rôle.
"""

import ast
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from atelier.harness import warm
from atelier.prefect.server import ensure_server
from tests.helpers import katas

RUNS = 3
WARM_UP_SECONDS = 60
# Ce que le kata importe au fil de l'exécution, sans l'écrire : scikit-learn (par `atelier.churn`) et Hypothesis.
HIDDEN_IMPORTS = ("sklearn.linear_model", "sklearn.metrics", "sklearn.model_selection")


def main(arguments: Sequence[str]) -> int:
    """Écrit une ligne par kata ; rend 1 si un kata n'est pas vert."""
    ensure_server()
    _wait_for_warm_process()
    folders = list(arguments) or katas.kata_folders()
    print(f"{'kata':<18} {'plancher':>9} {'à froid':>9} {'ratio':>6} {'à chaud':>9} {'ratio':>6}   (secondes)")
    for folder in folders:
        _print_row(folder, [folder])
    if len(folders) > 1:
        _print_row("ensemble", folders)
    return 0


def _print_row(label: str, folders: Sequence[str]) -> None:
    floor, cold, warmed = _medians(
        lambda: _import_only(folders),
        lambda: _run(folders, {"ATELIER_WARM": "0"}),
        lambda: _run(folders, {}),
    )
    print(f"{label:<18} {floor:9.2f} {cold:9.2f} {cold / floor:6.2f} {warmed:9.2f} {warmed / floor:6.2f}", flush=True)


def _medians(*actions: Callable[[], None]) -> list[float]:
    durations: list[list[float]] = [[] for _ in actions]
    for _ in range(RUNS):
        for action, seconds in zip(actions, durations, strict=True):
            start = time.perf_counter()
            action()
            seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in durations]


def _import_only(folders: Sequence[str]) -> None:
    files = [file for folder in folders for file in (katas.test_file(folder), katas.solution_file(folder))]
    names = sorted({name for file in files for name in _imports(file)} | set(HIDDEN_IMPORTS))
    command = f"import pytest, {', '.join(names)}"
    subprocess.run([sys.executable, "-c", command], cwd=katas.ROOT, check=True)


def _imports(file: Path) -> set[str]:
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.partition(".")[0] != "atelier"}


def _run(folders: Sequence[str], environment: dict[str, str]) -> None:
    run = katas.pytest_katas(*[f"katas/{folder}" for folder in folders], "--solutions", env=environment)
    if run.code:
        raise SystemExit(run.output)


def _wait_for_warm_process() -> None:
    warm.start()
    deadline = time.monotonic() + WARM_UP_SECONDS
    while warm.is_possible() and not warm.is_listening() and time.monotonic() < deadline:
        time.sleep(0.2)


if __name__ == "__main__":
    os.environ.pop("ATELIER_WARM_CHILD", None)
    sys.exit(main(sys.argv[1:]))
