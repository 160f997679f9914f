"""Les imports lourds, faits d'avance et plus vite."""

import gc
import importlib
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def faster_imports() -> Iterator[None]:
    """Suspend le ramasse-miettes : pendant les imports il ne trouve rien et coûte un dixième du temps.

    S'il l'était déjà, il le reste : ces blocs s'emboîtent.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def import_modules(*names: str) -> None:
    """Importe ces modules, pour que personne n'ait à les attendre plus tard."""
    with faster_imports():
        for name in names:
            importlib.import_module(name)
