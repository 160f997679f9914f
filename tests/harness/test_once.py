"""La fixture `once` : un run que relisent plusieurs tests n'a lieu qu'une fois, et toujours sous surveillance."""

from pathlib import Path

from tests.helpers.katas import Workshop

TESTS = '''\
import pytest


@pytest.fixture
def double(kata, once):
    return lambda: once("double", kata.double)


def test_first(double):
    """Le premier calcule."""
    assert double() == (2, 1)


def test_second(double):
    """Le second relit."""
    assert double() == (2, 1)


def test_other_name(kata, once):
    """Un autre nom est un autre calcul."""
    assert once("again", kata.double) == (2, 2)
'''
IN_A_FIXTURE = '''\
import pytest


@pytest.fixture
def double(kata, once):
    return once("double", kata.double)


def test_first(double):
    """La règle."""
    assert double
'''
CODE = """\
from pathlib import Path

CALLS = Path(__file__).with_suffix(".calls")


def double():
    with CALLS.open("a") as calls:
        calls.write(".")
    return 2, len(CALLS.read_text())
"""


def test_same_name_is_computed_once(tmp_path: Path) -> None:
    """Deux tests qui demandent la même chose la reçoivent d'un seul calcul ; un autre nom en fait un autre."""
    workshop = Workshop(tmp_path)
    workshop.write_kata("05_toy", "toy", test=TESTS, code=CODE)

    run = workshop.pytest("katas/05_toy")

    assert (0, "3 passed" in run.output) == (run.code, True), run.output


def test_each_tested_folder_has_its_own(tmp_path: Path) -> None:
    """Ce qu'un dossier a calculé ne sert pas à un autre."""
    workshop = Workshop(tmp_path)
    workshop.write_kata("05_toy", "toy", test=TESTS, code=CODE)
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        (folder / "05_toy").mkdir(parents=True)
        (folder / "05_toy" / "toy.py").write_text(CODE, encoding="utf-8")

    run = workshop.pytest("katas/05_toy", "--impl", folders[0], "--impl", folders[1])

    assert (0, "6 passed" in run.output) == (run.code, True), run.output


def test_fixture_does_not_run_the_kata(tmp_path: Path) -> None:
    """Une fixture n'est pas surveillée : une boucle sans fin s'y jouerait jusqu'au dernier recours."""
    workshop = Workshop(tmp_path)
    workshop.write_kata("05_toy", "toy", test=IN_A_FIXTURE, code=CODE)

    run = workshop.pytest("katas/05_toy")

    assert (1, True) == (run.code, "pas dans une fixture" in run.output), run.output
