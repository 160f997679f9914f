"""La branche `solutions` : main, plus un seul commit, où katas et notebooks sont résolus, et verts."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from atelier.authoring import notebooks, solutions_branch
from atelier.exercise.marks import make_solution
from tests.helpers import katas
from tests.helpers.toy import SOLUTION

NOTEBOOK = "notebooks/01b_mlflow_transition.ipynb"


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org", *arguments]
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout.strip()


def _small_repository(root: Path, solution: str) -> None:
    for folder in ("solutions", "katas"):
        file = root / folder / "01_small" / "plain_small.py"
        file.parent.mkdir(parents=True)
        file.write_text(solution, encoding="utf-8")
    _git(root, "init", "--quiet", "--initial-branch=main")
    _git(root, "add", ".")
    _git(root, "commit", "--quiet", "--message=Un kata")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Une copie du dépôt, à son dernier commit, où la branche vient d'être faite."""
    root = tmp_path_factory.mktemp("clone") / "atelier"
    try:
        _git(katas.ROOT, "clone", "--quiet", "--no-hardlinks", str(katas.ROOT), str(root))
    except subprocess.CalledProcessError:
        pytest.skip("ce n'est pas un dépôt git")
    assert 0 == solutions_branch.main(["--root", str(root)])
    return root


def test_branch_is_one_commit_that_only_changes_what_is_completed(clone: Path) -> None:
    """Un seul commit de plus que le départ, qui ne touche que les modules des katas et le notebook à compléter."""
    changed = _git(clone, "diff", "--name-only", "HEAD..solutions").splitlines()
    modules = [path.relative_to(clone).as_posix() for path in sorted(clone.glob("katas/*/*.py"))]

    assert "1" == _git(clone, "rev-list", "--count", "HEAD..solutions")
    assert [*(module for module in modules if "/test_" not in module), NOTEBOOK] == changed


def test_working_tree_is_left_alone(clone: Path) -> None:
    """Celui qui refait la branche garde sa branche, ses fichiers et son index."""
    assert "" == _git(clone, "status", "--porcelain")
    assert "solutions" != _git(clone, "rev-parse", "--abbrev-ref", "HEAD")


def test_solved_modules_have_no_marker_and_keep_their_todos(clone: Path) -> None:
    """La différence se lit : les TODO restent, la réponse est dessous, les repères ont disparu."""
    solved = _git(clone, "show", "solutions:katas/03_cache/prefect_cache.py")

    assert ("SOLUTION" in solved, "NotImplementedError" in solved, "# TODO 4" in solved) == (False, False, True)


def test_solved_notebook_is_the_solved_one(clone: Path) -> None:
    """Le notebook s'ouvre, résolu : le même que celui que `make notebooks` écrit et que les tests exécutent."""
    cells = json.loads(_git(clone, "show", f"solutions:{NOTEBOOK}"))["cells"]
    solved = notebooks.solved_notebook(clone / "solutions" / "notebooks" / "01b_mlflow_transition.py").cells

    assert [cell.source for cell in solved] == ["".join(cell["source"]) for cell in cells]
    assert not any("SOLUTION" in cell.source or "NotImplementedError(" in cell.source for cell in solved)


def test_same_start_gives_the_same_commit(clone: Path) -> None:
    """Refaire la branche sans rien de neuf ne la déplace pas."""
    before = _git(clone, "rev-parse", "solutions")

    assert 0 == solutions_branch.main(["--root", str(clone)])
    assert before == _git(clone, "rev-parse", "solutions")


@pytest.mark.parametrize("folder", katas.kata_folders())
def test_solved_module_is_the_solution(folder: str, clone: Path) -> None:
    """Chaque module de la branche est la solution, que `test_katas.py` trouve verte, sans ses repères."""
    name = f"{folder}/{katas.module_name(folder)}.py"
    solution = _git(clone, "show", f"HEAD:solutions/{name}")

    assert make_solution(solution, name).strip() == _git(clone, "show", f"solutions:katas/{name}")


@pytest.mark.slow
def test_solved_kata_is_green_without_an_option(clone: Path, own_server: Mapping[str, str], tmp_path: Path) -> None:
    """Sur la branche, `pytest katas/NN` est vert tout seul."""
    _git(clone, "worktree", "add", "--quiet", str(tmp_path / "solved"), "solutions")

    run = katas.pytest_katas("katas/00_tasks_flows", root=tmp_path / "solved", env=own_server)

    assert (0, []) == (run.code, list(run.verdicts())), run.output


def test_unknown_start_is_said(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un commit qui n'existe pas : une phrase, le code 1."""
    code = solutions_branch.main(["--root", str(clone), "--from", "nowhere"])

    assert (1, True) == (code, capsys.readouterr().err.startswith("git rev-parse : "))


def test_commit_without_solution_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Un dépôt sans solution : une phrase, et aucune branche."""
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "commit", "--quiet", "--allow-empty", "--message=Rien")

    code = solutions_branch.main(["--root", str(tmp_path)])

    assert (1, "") == (code, _git(tmp_path, "branch", "--list", "solutions"))
    assert "n'a aucune solution" in capsys.readouterr().err


def test_malformed_solution_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Une solution sans repère : le message du générateur de stubs, fichier et ligne compris."""
    _small_repository(tmp_path, "def one():\n    return 1\n")

    code = solutions_branch.main(["--root", str(tmp_path)])

    assert (1, True) == (code, capsys.readouterr().err.startswith("solutions/01_small/plain_small.py:1: "))


def test_branch_in_use_is_not_moved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Qui se trouve sur la branche n'y perd rien : git refuse, et on le dit."""
    _small_repository(tmp_path, SOLUTION)
    _git(tmp_path, "switch", "--quiet", "--create", "solutions")
    before = _git(tmp_path, "rev-parse", "solutions")

    code = solutions_branch.main(["--root", str(tmp_path)])

    assert (1, before) == (code, _git(tmp_path, "rev-parse", "solutions"))
    assert "git branch : " in capsys.readouterr().err
