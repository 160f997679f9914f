"""La boucle d'attente : elle essaie au moins une fois, n'attend pas pour rien, et finit."""

import itertools
import subprocess
import sys

import pytest

from atelier.machine.until import until
from tests.helpers.katas import ROOT

SIMULATED = """\
import time

from atelier.machine.until import until

def refuse(seconds):
    raise RuntimeError("une pause simulée")

time.sleep = refuse
for turn, _ in enumerate(until(60, every=0.001)):
    if turn == 2:
        break
print(turn)
"""


def test_tries_once_even_without_time() -> None:
    """Un délai nul laisse un essai, et un seul."""
    assert 1 == len(list(until(0)))


def test_goes_on_until_it_is_left() -> None:
    """Tant que le délai n'est pas passé, un tour en suit un autre."""
    assert 5 == len(list(itertools.islice(until(600, every=0.001), 5)))


def test_last_turn_comes_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ce qui arrive pendant la dernière pause n'est pas manqué."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("atelier.machine.until.monotonic", lambda: now)
    monkeypatch.setattr("atelier.machine.until.sleep", sleep)

    assert [0.0, 3.0, 6.0] == [now for _ in until(5, every=3)]


def test_does_not_follow_the_simulated_clock() -> None:
    """L'horloge des katas remplace `time.sleep` : attendre un serveur prend quand même du vrai temps."""
    done = subprocess.run([sys.executable, "-c", SIMULATED], cwd=ROOT, capture_output=True, text=True, check=False)

    assert "2" == done.stdout.strip(), done.stderr
