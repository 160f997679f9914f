"""La commande `make stubs` : ce qu'elle vérifie, les katas qu'on lui nomme, ses codes de retour."""

import subprocess
import sys
from pathlib import Path

import pytest

from atelier.authoring import stubs
from tests.helpers.stub_folder import (
    KEY,
    NEW_SOLUTION,
    NEW_STUB,
    SOLUTION,
    STUB,
    STUDENT_WORK,
    generated,
    kata,
    root,
    run,
    snapshot,
    write,
)

__all__ = ["generated", "kata", "root"]


@pytest.mark.parametrize(
    ("kata_text", "solution", "verdict"),
    [
        (STUB, SOLUTION, "à jour"),
        (STUB, NEW_SOLUTION, "périmé"),
        (STUDENT_WORK, SOLUTION, "modifié à la main"),
        (None, SOLUTION, "absent"),
        (NEW_STUB, NEW_SOLUTION, "inconnu de l'historique"),
    ],
)
def test_check_reports_and_writes_nothing(
    root: Path,
    generated: Path,
    kata_text: str | None,
    solution: str,
    verdict: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """--check n'écrit rien, et ne rend 0 que pour un stub à jour et connu."""
    write(root / "solutions" / KEY, solution)
    generated.unlink()
    if kata_text is not None:
        write(generated, kata_text)
    before = snapshot(root)

    code = run(root, "--check")

    assert (0 if verdict == "à jour" else 1) == code
    assert before == snapshot(root)
    assert capsys.readouterr().out.startswith(f"katas/{KEY} : {verdict}")


def test_bad_source_does_not_stop_the_others(root: Path, kata: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Une source fautive donne le code 2 ; les autres stubs sont écrits."""
    write(root / "solutions" / "01_retries" / "prefect_retries.py", "x = 1\n")

    code = run(root)

    assert 2 == code
    assert kata.exists()
    assert capsys.readouterr().err.startswith("solutions/01_retries/prefect_retries.py:1: aucun bloc")


def test_source_in_another_encoding_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Une solution qui n'est pas en UTF-8 est refusée, pas devinée."""
    (root / "solutions" / KEY).write_bytes(SOLUTION.encode("latin-1") + "# é".encode("latin-1"))

    code = run(root)

    assert 2 == code
    assert "UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["03_cache", "solutions/03_cache/", "katas/03_cache"])
def test_named_kata_is_the_only_one_written(root: Path, kata: Path, name: str) -> None:
    """Un nom de kata, ou le chemin que le shell complète, limite le travail à lui."""
    write(root / "solutions" / "01_retries" / "prefect_retries.py", SOLUTION)

    code = run(root, name)

    assert 0 == code
    assert ["03_cache"] == [folder.name for folder in (root / "katas").iterdir()]


def test_unknown_kata_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un kata inconnu est dit, avec ceux qui existent."""
    code = run(root, "12_nowhere")

    assert 2 == code
    assert "12_nowhere : kata sans solution ; katas connus : 03_cache.\n" == capsys.readouterr().err


def test_root_without_solutions_is_unusable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Une racine sans solutions est une erreur, pas un succès vide."""
    code = run(tmp_path)

    assert 2 == code
    assert "aucune solution" in capsys.readouterr().err


def test_module_runs_from_the_command_line(root: Path, kata: Path) -> None:
    """`python -m atelier.stubs` écrit les stubs et rend le code de sortie."""
    command = [sys.executable, "-m", "atelier.authoring.stubs", "--root", str(root)]
    workshop = Path(stubs.__file__).parents[2]

    codes = [subprocess.run(command, cwd=workshop, check=False).returncode]
    write(kata, STUDENT_WORK)
    codes.append(subprocess.run(command, cwd=workshop, check=False).returncode)

    assert [0, 1] == codes
