"""Le second processus n'a en commun avec le premier que le disque, et ne peut ni bloquer pytest ni lui survivre."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import katas

FOLDER = "03_cache"
MODULE = katas.module_name(FOLDER)
TEST = "test_another_process_finds_the_result"
SOLUTION = katas.solution_file(FOLDER).read_text(encoding="utf-8")
IN_SECOND = "import multiprocessing, os\nif multiprocessing.parent_process():\n    "


@pytest.fixture
def run_test(tmp_path: Path) -> Callable[[str], katas.PytestRun]:
    """Joue le test du second processus sur un fichier d'étudiant."""

    def run(source: str) -> katas.PytestRun:
        (tmp_path / FOLDER).mkdir()
        (tmp_path / FOLDER / f"{MODULE}.py").write_text(source, encoding="utf-8")
        return katas.play(f"{katas.test_file(FOLDER)}::{TEST}", "--impl", tmp_path)

    return run


def test_it_is_another_process(run_test: Callable[[str], katas.PytestRun]) -> None:
    """Le fichier y est chargé à neuf : ce que le premier processus garde en mémoire n'y est pas."""
    remembered = "import builtins\nassert not hasattr(builtins, 'seen'), 'déjà vu'\nbuiltins.seen = True\n"

    run = run_test(SOLUTION + remembered)

    assert run.code == 0, run.output


def test_endless_loop_is_named(run_test: Callable[[str], katas.PytestRun]) -> None:
    """Une boucle sans fin dans le second processus est interrompue là-bas, et montrée ici à sa ligne."""
    source = SOLUTION + IN_SECOND + "while True: pass\n"

    verdict = run_test(source).verdicts()[TEST]

    assert (True, True) == ("une boucle sans fin" in verdict, f":{len(source.splitlines())}" in verdict), verdict


def test_sudden_death_is_reported(run_test: Callable[[str], katas.PytestRun]) -> None:
    """Un second processus tué net donne un message, et pas une attente sans fin."""
    verdict = run_test(SOLUTION + IN_SECOND + "os.kill(os.getpid(), 9)\n").verdicts()[TEST]

    assert "cet autre processus ne répond pas" in verdict, verdict


def test_error_there_is_told_here(run_test: Callable[[str], katas.PytestRun]) -> None:
    """Une erreur au chargement, dans le second processus seulement, est racontée comme ici."""
    verdict = run_test(SOLUTION + IN_SECOND + "raise KeyError('la-bas')\n").verdicts()[TEST]

    assert "KeyError : 'la-bas'" in verdict, verdict
