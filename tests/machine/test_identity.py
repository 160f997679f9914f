"""Se reconnaître sur un serveur partagé : son dossier d'état, sa machine, son processus."""

import os
import subprocess
import sys
from pathlib import Path

from atelier.machine import identity
from tests.helpers.katas import ROOT


def test_home_is_the_same_from_one_process_to_the_next(tmp_path: Path) -> None:
    """Deux processus d'une même installation ont la même identité ; ceux d'une autre, une autre."""
    same = {_home_id(tmp_path / "home") for _ in range(2)}

    assert (1, True) == (len(same), same.isdisjoint({_home_id(tmp_path / "other")}))


def test_running_process_is_known() -> None:
    """Ce processus tourne ; un processus de même numéro, parti une heure plus tôt, non."""
    number, started = identity.process_id().split()

    assert identity.is_running(f"{number} {started}")
    assert not identity.is_running(f"{number} {float(started) - 3600}")


def test_finished_process_is_gone() -> None:
    """Un processus fini ne tourne plus."""
    script = "from atelier.machine import identity; print(identity.process_id())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)

    assert not identity.is_running(done.stdout)


def _home_id(home: Path) -> str:
    script = "from atelier.machine import identity; print(identity.home_id())"
    environment = {**os.environ, "ATELIER_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, text=True
    ).stdout
