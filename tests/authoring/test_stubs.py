"""Le générateur de stubs : ce qu'il écrit, et ce qu'il ne détruit jamais."""

import os
from pathlib import Path

import pytest

from atelier.exercise.history import is_untouched
from atelier.machine import files
from tests.helpers.stub_folder import (
    KEY,
    NEW_SOLUTION,
    NEW_STUB,
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


COPY = "prefect_cache.py.2026-11-22_140533.bak"


def test_missing_kata_is_created(root: Path, kata: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un kata absent est créé, et la ligne le dit."""
    code = run(root)

    assert 0 == code
    assert STUB.encode() == kata.read_bytes()
    assert f"katas/{KEY} : créé\n" == capsys.readouterr().out


def test_fresh_kata_is_left_alone(root: Path, generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un stub à jour n'est pas réécrit, même si git lui a donné des CRLF."""
    write(generated, STUB.replace("\n", "\r\n"))
    before = snapshot(root)

    code = run(root)

    assert 0 == code
    assert before == snapshot(root)
    assert f"katas/{KEY} : à jour\n" == capsys.readouterr().out


def test_old_stub_is_updated(root: Path, generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un stub d'hier, intact, suit la solution."""
    write(root / "solutions" / KEY, NEW_SOLUTION)

    code = run(root)

    assert 0 == code
    assert NEW_STUB == generated.read_text(encoding="utf-8")
    assert f"katas/{KEY} : mis à jour\n" == capsys.readouterr().out


def test_stub_of_two_versions_ago_is_updated(root: Path, generated: Path) -> None:
    """Tout stub jamais produit est reconnu, pas seulement le dernier."""
    write(root / "solutions" / KEY, NEW_SOLUTION)
    run(root)
    write(generated, STUB)

    code = run(root)

    assert 0 == code
    assert NEW_STUB == generated.read_text(encoding="utf-8")


def test_student_work_is_refused(root: Path, generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un travail commencé n'est pas touché, et la commande échoue."""
    write(generated, STUDENT_WORK)
    write(root / "solutions" / KEY, NEW_SOLUTION)
    before = snapshot(root)

    code = run(root)

    assert 1 == code
    assert before == snapshot(root)
    assert f"katas/{KEY} : refusé" in capsys.readouterr().out


def test_unknown_file_is_refused_without_a_history(root: Path, kata: Path) -> None:
    """Sans historique, tout fichier qui n'est pas le stub du jour est tenu pour un travail."""
    write(kata, NEW_STUB)

    code = run(root)

    assert 1 == code
    assert NEW_STUB == kata.read_text(encoding="utf-8")


@pytest.mark.usefixtures("fixed_clock")
def test_force_keeps_a_dated_copy(root: Path, generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Avec --force, le travail est d'abord copié à côté, à l'octet près."""
    work = STUDENT_WORK.encode().replace(b"\n", b"\r\n") + b"# \xe9 en latin-1"
    generated.write_bytes(work)

    code = run(root, "--force")

    assert 0 == code
    assert work == generated.with_name(COPY).read_bytes()
    assert STUB == generated.read_text(encoding="utf-8")
    assert COPY in capsys.readouterr().out


@pytest.mark.usefixtures("fixed_clock")
def test_copies_of_the_same_second_are_all_kept(root: Path, generated: Path) -> None:
    """Deux copies dans la même seconde ne s'écrasent pas."""
    for work in ("first = 1\n", "second = 2\n", "third = 3\n"):
        write(generated, work)
        run(root, "--force")

    copies = {copy.read_text(encoding="utf-8") for copy in generated.parent.glob("*.bak")}
    assert {"first = 1\n", "second = 2\n", "third = 3\n"} == copies


def test_force_copies_nothing_when_there_is_no_work(root: Path, generated: Path) -> None:
    """Un stub intact ou périmé n'a pas besoin de copie."""
    run(root, "--force")
    write(root / "solutions" / KEY, NEW_SOLUTION)
    run(root, "--force")

    assert [generated] == list(generated.parent.iterdir())


def test_work_stays_when_its_copy_fails(
    root: Path, generated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Si la copie échoue, le travail n'est pas remplacé."""
    write(generated, STUDENT_WORK)
    monkeypatch.setattr(files, "_write_new", fail)

    code = run(root, "--force")

    assert 2 == code
    assert STUDENT_WORK == generated.read_text(encoding="utf-8")
    assert "disque plein" in capsys.readouterr().err


def test_crash_while_writing_leaves_the_old_stub(root: Path, generated: Path, full_disk: None) -> None:
    """L'écriture est atomique : un arrêt avant la fin laisse l'ancien fichier, et rien d'autre."""
    write(root / "solutions" / KEY, NEW_SOLUTION)

    code = run(root)

    assert 2 == code
    assert STUB == generated.read_text(encoding="utf-8")
    assert [generated] == list(generated.parent.iterdir())


def test_history_is_written_before_the_stub(root: Path, generated: Path, full_disk: None) -> None:
    """Après un arrêt entre les deux écritures, le nouveau stub est déjà connu."""
    write(root / "solutions" / KEY, NEW_SOLUTION)
    run(root)

    write(generated, NEW_STUB)

    assert is_untouched(generated, root)


def test_stub_is_readable_by_others(root: Path, generated: Path) -> None:
    """Le stub suit l'umask, pour que les conteneurs voisins puissent le lire."""
    reference = root / "reference"
    reference.touch()

    assert reference.stat().st_mode == generated.stat().st_mode


@pytest.fixture
def full_disk(generated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Le stub, et lui seul, ne peut plus être mis en place."""
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: fail() if new == generated else replace(old, new))


@pytest.fixture
def fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_timestamp", lambda: "2026-11-22_140533")


def fail(*_: object) -> None:
    raise OSError(28, "disque plein", "prefect_cache.py")
