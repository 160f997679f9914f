"""Les modules privés de pytest dont l'atelier se sert : ici, et nulle part ailleurs.

Un test en vérifie chaque emprunt : une nouvelle version de pytest se lit là d'abord.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from _pytest._code.code import TerminalRepr
from _pytest._io import TerminalWriter
from _pytest.assertion import util

__all__ = [
    "TerminalRepr",
    "TerminalWriter",
    "release_streams",
    "silence_short_summary",
    "skip_tracebacks",
    "without_diff",
]


@contextmanager
def without_diff() -> Iterator[None]:
    """Empêche pytest de calculer un diff : un test de kata dit lui-même ce qui diffère.

    Entier avec `-vv` ou quand `CI` est défini, ce diff durerait des minutes sur une image, et le délai accuserait
    l'étudiant.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(util, "_reprcompare", None)
        patch.setattr(util, "_config", None)  # sans quoi `-vv` écrit les deux valeurs en entier
        yield


def release_streams(config: pytest.Config) -> None:
    """Rend le clavier et l'écran à qui en a besoin tout de suite : un débogueur, de derniers mots."""
    if capture := config.pluginmanager.getplugin("capturemanager"):
        capture.suspend_global_capture(in_=True)


def silence_short_summary(config: pytest.Config) -> None:
    """Retire le résumé des échecs : il répéterait les verdicts."""
    if terminal := config.pluginmanager.getplugin("terminalreporter"):
        terminal.reportchars = ""


def skip_tracebacks(config: pytest.Config) -> None:
    """Ne garde d'une erreur que son message : un verdict remplacera la trace.

    Pour montrer une ligne de trace, pytest relit tout le fichier où elle est : un cinquième du temps d'un test rouge.
    """
    config.option.tbstyle = "value"
