"""Tout stub jamais produit se reconnaît ; tout le reste est un travail."""

import json
from pathlib import Path

import pytest

from atelier.exercise.history import is_untouched
from tests.helpers.stub_folder import KEY, SOLUTION, STUB, STUDENT_WORK, generated, kata, root, run, snapshot, write

__all__ = ["generated", "kata", "root"]


def test_stub_found_in_place_enters_the_history(root: Path, generated: Path) -> None:
    """Un stub à jour que l'historique a perdu y revient."""
    (root / "solutions" / "stubs.json").unlink()

    code = run(root)

    assert 0 == code
    assert is_untouched(generated, root)


def test_history_has_one_sorted_digest_per_line(root: Path, generated: Path) -> None:
    """L'historique est trié, une empreinte par ligne, pour que git fusionne bien."""
    write(root / "solutions" / "01_retries" / "prefect_retries.py", SOLUTION)
    for version in range(5):
        write(root / "solutions" / KEY, SOLUTION.replace("TODO 1 :", f"TODO 1 : v{version},"))
        run(root)

    text = (root / "solutions" / "stubs.json").read_text(encoding="utf-8")
    history = json.loads(text)
    assert ["01_retries/prefect_retries.py", KEY] == list(history)
    assert sorted(history[KEY]) == history[KEY]
    assert 1 + 6 == sum(len(line.strip(' ",')) == 64 for line in text.splitlines())


@pytest.mark.parametrize("content", ["<<<<<<< HEAD\n", "[]", '{"a": "b"}'])
def test_unreadable_history_is_unusable(
    root: Path, generated: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Un historique abîmé arrête tout : il protège le travail des étudiants."""
    write(root / "solutions" / "stubs.json", content)
    before = snapshot(root)

    code = run(root)

    assert 2 == code
    assert before == snapshot(root)
    assert capsys.readouterr().err.startswith("solutions/stubs.json:1: historique illisible")


@pytest.mark.parametrize("content", [STUB, STUB.replace("\n", "  \r\n"), STUB.rstrip(), f"\ufeff{STUB}\n\n"])
def test_generated_stub_is_untouched(root: Path, generated: Path, content: str) -> None:
    """Fins de ligne, blancs finaux et BOM ne sont pas un travail."""
    write(generated, content)

    assert is_untouched(generated, root)


@pytest.mark.parametrize("content", [STUDENT_WORK, "", STUB.replace("    raise", "  raise"), "é\udcff"])
def test_edited_stub_is_touched(root: Path, generated: Path, content: str) -> None:
    """Tout autre changement est un travail."""
    generated.write_bytes(content.encode(errors="surrogateescape"))

    assert not is_untouched(generated, root)


def test_file_without_a_known_stub_is_touched(root: Path, generated: Path) -> None:
    """Un fichier absent, d'un autre kata ou d'ailleurs n'est pas un stub connu."""
    elsewhere = root / "prefect_cache.py"
    other_kata = root / "katas" / "04_parallelism" / "prefect_parallelism.py"
    write(elsewhere, STUB)
    write(other_kata, STUB)

    absent = generated.with_name("absent.py")

    assert not any(is_untouched(file, root) for file in (elsewhere, other_kata, absent))


def test_unreadable_history_means_touched(root: Path, generated: Path) -> None:
    """Sans historique lisible, le harnais tient le fichier pour un travail, sans s'arrêter."""
    write(root / "solutions" / "stubs.json", "<<<<<<< HEAD\n")

    assert not is_untouched(generated, root)
