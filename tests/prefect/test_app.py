"""Le serveur Prefect de l'atelier : son ramasse-miettes ne passe jamais dans la boucle d'événements."""

import subprocess
import sys

from tests.helpers.katas import ROOT

# Un cycle ne disparaît que par le ramasse-miettes : il dit dans quel thread. Le même sort, sur un serveur chargé,
# attend l'exception d'une requête refusée et son curseur.
PROBE = """\
import threading
import time

from atelier.prefect.app import create_app


class Cycle:
    def __init__(self):
        self.itself = self

    def __del__(self):
        places.append(threading.current_thread() is threading.main_thread())


def allocate():
    return [[number] for number in range(100_000)]


places = []
create_app()
Cycle()
allocate()
before = list(places)
deadline = time.monotonic() + 30
while not places and time.monotonic() < deadline:
    time.sleep(0.05)
print(before, places)
"""


def test_garbage_is_collected_elsewhere() -> None:
    """Le thread principal n'y touche pas, autant qu'il alloue ; un autre s'en charge."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=120
    )

    assert (done.returncode, done.stdout.strip()) == (0, "[] [False]"), done.stdout + done.stderr
