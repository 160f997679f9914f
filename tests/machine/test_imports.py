"""Suspendre le ramasse-miettes, et ne le rendre qu'à qui l'avait."""

import gc
from collections.abc import Iterator

import pytest

from atelier.machine.imports import faster_imports, import_modules


@pytest.fixture(autouse=True)
def enabled() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_collector_is_given_back() -> None:
    """Suspendu pendant le bloc, il reprend ensuite."""
    with faster_imports():
        inside = gc.isenabled()

    assert (False, True) == (inside, gc.isenabled())


def test_collector_is_given_back_after_an_error() -> None:
    """Un paquet qui manque n'y change rien."""
    with pytest.raises(ModuleNotFoundError):
        import_modules("jamais_vu")

    assert gc.isenabled()


def test_inner_block_leaves_the_outer_one_alone() -> None:
    """Un bloc dans un autre ne réveille pas ce que l'autre a endormi."""
    with faster_imports():
        with faster_imports():
            pass
        between = gc.isenabled()

    assert (False, True) == (between, gc.isenabled())


def test_suspended_collector_stays_suspended() -> None:
    """Qui l'avait suspendu lui-même le retrouve suspendu."""
    gc.disable()
    with faster_imports():
        pass

    assert not gc.isenabled()
