"""Ce qui est vrai de Dagster dans l'atelier : son adresse, son dossier, ses réglages. N'importe pas Dagster."""

import os
from pathlib import Path

from atelier.machine.addresses import Address
from atelier.machine.paths import state_dir
from atelier.machine.privacy import forget_settings

DAGSTER = Address("ATELIER_DAGSTER_PORT", 3000)
PERSONAL = ("DAGSTER_",)
# `nux` est la fenêtre qui demande une adresse électronique. Un run à la fois, lancé dans la seconde.
DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
run_queue:
  max_concurrent_runs: 1
  dequeue_interval_seconds: 1
"""


def home() -> Path:
    """Là où l'interface que lance `make up` garde ses runs et ses assets."""
    folder = state_dir() / "dagster"
    folder.mkdir(exist_ok=True)
    return folder


def prepare_environment() -> None:
    """À appeler avant tout run : rien n'est lu du `DAGSTER_HOME` de l'utilisateur, ni écrit, ni envoyé."""
    forget_settings(*PERSONAL)
    os.environ |= {"DAGSTER_HOME": str(home()), "DAGSTER_DISABLE_TELEMETRY": "yes"}
