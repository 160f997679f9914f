"""Les interfaces, telles que les voit un vrai navigateur : avec Docker, sans Docker, à travers un tunnel.

Photographie aussi l'atelier qui tourne : `python -m tools.browser DOSSIER`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from atelier.dagster.settings import DAGSTER
from atelier.machine.addresses import browser_url
from atelier.mlflow.settings import MLFLOW
from atelier.prefect.settings import PREFECT
from tools.npm import MissingTool, node_modules

SCRIPT = Path(__file__).with_suffix(".cjs")
EXECUTABLES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# MLflow demande à chaque page qui est connecté ; sans comptes, la bonne réponse est 404.
NO_AUTHENTICATION = "/ajax-api/2.0/mlflow/users/current"
OPTIONS = [
    "--no-sandbox",  # sans quoi root ne peut pas le lancer, en intégration continue
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass(frozen=True)
class Page:
    """Une page à ouvrir, le texte que l'étudiant doit y trouver, et sur quoi cliquer ensuite (des sélecteurs)."""

    name: str
    url: str
    expect: str
    clicks: tuple[str, ...] = ()
    screenshot: str = ""


@dataclass(frozen=True)
class Report:
    """Ce que le navigateur a vu ; `hosts` sont toutes les machines que la page a appelées."""

    url: str
    seen: bool
    text: str
    failures: list[str]
    hosts: list[str]


def interfaces(mlflow: str, prefect: str, dagster: str) -> list[Page]:
    """Les trois interfaces, aux adresses données ; le texte attendu vient de leur base, pas de leur habillage."""
    return [
        Page("mlflow", f"{mlflow}/#/experiments", "Default"),
        Page("prefect", f"{prefect}/work-pools", "default-pool"),
        Page("dagster", f"{dagster}/locations", "katas"),
    ]


def visit(
    pages: Sequence[Page],
    folder: Path | None = None,
    options: Sequence[str] = (),
    seconds: int = 60,
    size: tuple[int, int] = (1280, 800),
) -> list[Report]:
    """Ouvre ces pages l'une après l'autre ; une image de chacune va dans `folder`. Lève `MissingTool`."""
    if folder:
        pages = [replace(page, screenshot=str(folder / f"{page.name}.png")) for page in pages]
    request = {
        "pages": [asdict(page) for page in pages],
        "executable": executable(),
        "options": [*OPTIONS, *options],
        "timeout": seconds * 1000,
        "viewport": {"width": size[0], "height": size[1]},
    }
    environment = {**os.environ, "NODE_PATH": str(node_modules())}
    answer = subprocess.run(
        ["node", str(SCRIPT)], input=json.dumps(request), env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return [_without_expected(Report(**report)) for report in json.loads(answer.stdout)]


def _without_expected(report: Report) -> Report:
    failures = [one for one in report.failures if not one.startswith("404 ") or not one.endswith(NO_AUTHENTICATION)]
    return replace(report, failures=failures)


def executable() -> str:
    """Le Chromium du système. Lève `MissingTool` s'il n'y en a pas."""
    found = next((path for name in EXECUTABLES if (path := shutil.which(name))), None)
    if found is None:
        raise MissingTool("Chromium n'est pas installé (sous Debian : apt install chromium)")
    return found


def main(folder: str) -> None:
    """Photographie les trois interfaces de l'atelier qui tourne."""
    directory = Path(folder)
    directory.mkdir(parents=True, exist_ok=True)
    prefect = browser_url(PREFECT.local)
    for report in visit(interfaces(MLFLOW.local, prefect, DAGSTER.local), directory):
        print(report.url, "vue" if report.seen else "PAS VUE", *report.failures, sep="\n  ")


if __name__ == "__main__":
    main(sys.argv[1])
