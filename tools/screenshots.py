"""Refait les images du README : `make screenshots`. L'atelier démarre à part, joue les derniers katas, se photographie.

Demande Chromium et `npm`. Rien n'est retouché, sinon la taille : ces pages sont celles de qui a fini le cours.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from atelier.machine.paths import ROOT
from tests.helpers.ports import free_port
from tools import browser
from tools.browser import Page
from tools.npm import MissingTool

IMAGES = ROOT / "docs" / "images"
NAMES = ("MLFLOW", "PREFECT", "DAGSTER")
ASSETS, TRACKING, REGISTRY = (
    "08_assets/dagster_assets.py",
    "09_tracking/mlflow_tracking.py",
    "10_registry/mlflow_registry.py",
)
PIPELINE = "11_pipeline/prefect_pipeline.py"
# Le kata 08 finit par un modèle inutile, que son check bloque : ici, on s'arrête avant.
MATERIALIZE = """\
import runpy
from atelier.dagster.session import materialize

materialize(runpy.run_path("solutions/08_assets/dagster_assets.py")["defs"])
"""
RENDERED, SHOWN = (1600, 1000), (1280, 800)  # de la place, pour que rien ne soit replié
QUALITY = 90


def main() -> int:
    """Écrit une image par interface ; rend 1 s'il manque un outil, ou si une page n'est pas celle attendue."""
    try:
        browser.executable()
        with TemporaryDirectory() as folder, _solved_course(Path(folder)) as pages:
            reports = browser.visit(pages, Path(folder), size=RENDERED)
            IMAGES.mkdir(exist_ok=True)
            for name in {page.name for page in pages}:
                _shrink(Path(folder, f"{name}.png"), IMAGES / f"{name}.webp")
    except MissingTool as problem:
        print(problem, file=sys.stderr)
        return 1
    for report in reports:
        print(report.url, "vue" if report.seen else "PAS VUE", *report.failures, sep="\n  ")
    return int(not all(report.seen for report in reports))


@contextmanager
def _solved_course(home: Path) -> Iterator[list[Page]]:
    """L'atelier qui tourne, les solutions jouées ; rend les pages à montrer."""
    ports = {name: free_port() for name in NAMES}
    settings = {f"ATELIER_{name}_PORT": str(port) for name, port in ports.items()}
    settings |= {"ATELIER_HOME": str(home / "atelier"), "ATELIER_WARM": "0", "ATELIER_SIDECARS": ""}
    settings |= {"PREFECT_API_URL": "", "MLFLOW_TRACKING_URI": ""}
    settings["ATELIER_DAGSTER_FILE"] = str(ROOT / "solutions" / ASSETS)
    _python(settings, "-m", "atelier", "up")
    try:
        _python(settings, "-c", MATERIALIZE)
        for script in (TRACKING, REGISTRY, REGISTRY, PIPELINE):
            output = _python(settings, f"solutions/{script}")
        yield _pages(*[f"http://127.0.0.1:{ports[name]}" for name in NAMES], output)
    finally:
        _python(settings, "-m", "atelier", "down")


def _pages(mlflow: str, prefect: str, dagster: str, pipeline: str) -> list[Page]:
    """Le modèle et ses alias, le run de la dernière nuit et ses tasks, les assets et leur état."""
    run = re.findall(r"/runs/flow-run/([0-9a-f-]+)", pipeline)[-1]
    return [
        Page("mlflow", f"{mlflow}/#/models/churn", "champion", ('[aria-label="Close"]', 'text="Model training"')),
        Page("prefect", f"{prefect}/runs/flow-run/{run}", "train_candidate"),
        Page("dagster", f"{dagster}/asset-groups", "predictions", ('text="Hide navigation"',)),
        Page("dagster", f"{dagster}/asset-groups", "predictions"),  # à nouveau : le graphe prend la place libérée
    ]


def _python(settings: Mapping[str, str], *arguments: str) -> str:
    environment = {**os.environ, **settings}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout)
    return done.stdout


def _shrink(source: Path, destination: Path) -> None:
    with Image.open(source) as image:
        image.convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS).save(destination, quality=QUALITY)


if __name__ == "__main__":
    sys.exit(main())
