"""Les notebooks : produits de leurs sources, sans résultats, et tous exécutés de haut en bas sur un MLflow neuf."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from atelier.authoring import notebooks
from atelier.notebook.mlflow_transition import exercises
from tests.helpers.katas import ROOT
from tests.helpers.ports import free_port

SOURCES = notebooks.sources()
EXERCISES = ROOT / "solutions" / "notebooks" / "01b_mlflow_transition.py"
STUDENTS = [ROOT / "notebooks" / f"{source.stem}.ipynb" for source in SOURCES]


def _named(path: Path) -> str:
    return path.stem


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """Un atelier réduit à ses notebooks, produits."""
    shutil.copytree(ROOT / "solutions" / "notebooks", tmp_path / "solutions" / "notebooks")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns("*.bak", "*.csv"))
    return tmp_path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Le dossier d'état des notebooks exécutés, dont la base MLflow."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def lonely(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Aucun serveur ne répond, et rien ne s'écrit chez l'utilisateur."""
    settings = {
        "ATELIER_HOME": home,
        "ATELIER_MLFLOW_PORT": free_port(),
        "MLFLOW_TRACKING_URI": "",
        "MPLBACKEND": "",
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_RUNTIME_DIR": home / "jupyter",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))


def _executed(notebook: NotebookNode, folder: Path = ROOT / "notebooks") -> NotebookNode:
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    return notebook


def _printed(notebook: NotebookNode, stream: str = "stdout") -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output["text"] for output in outputs if output.get("name") == stream)


def _verdicts(notebook: NotebookNode) -> list[tuple[str, int]]:
    titles = re.findall(r"^(vert|pas encore fait|à corriger) · TODO (\d)", _printed(notebook), flags=re.MULTILINE)
    return [(outcome, int(todo)) for outcome, todo in titles]


def test_notebooks_come_from_their_sources() -> None:
    """Ce que l'étudiant ouvre est ce que donne le générateur."""
    assert 0 == notebooks.main(["--check"])
    assert STUDENTS == sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", STUDENTS, ids=_named)
def test_outputs_are_stripped(path: Path) -> None:
    """Aucun résultat, aucun numéro d'exécution : les différences se relisent."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]

    assert [([], None)] * len(cells) == [(cell.outputs, cell.execution_count) for cell in cells]


@pytest.mark.parametrize("path", STUDENTS, ids=_named)
def test_notebook_is_valid(path: Path) -> None:
    """L'éditeur l'ouvre sans rien réparer, avec le noyau que chacun a."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)

    assert "python3" == notebook.metadata.kernelspec.name


def test_solution_is_not_in_the_students_notebook() -> None:
    """Le notebook à compléter ne contient pas la réponse ; aucun des deux ne contient les repères."""
    texts = [nbformat.writes(make(EXERCISES)) for make in (notebooks.stub_notebook, notebooks.solved_notebook)]

    assert [4, 0] == [text.count("raise NotImplementedError(") for text in texts]
    assert [] == [text for text in texts if "SOLUTION" in text]
    assert [False, True] == ["order_by=[" in text for text in texts]


def test_work_is_never_lost(workshop: Path) -> None:
    """Un notebook où quelqu'un a écrit n'est remplacé que sur demande, et une copie en reste."""
    file = workshop / "notebooks" / f"{EXERCISES.stem}.ipynb"
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[-1].source += "\n\nMes notes."
    nbformat.write(notebook, file)
    work = file.read_bytes()

    assert 1 == notebooks.main(["--root", str(workshop)])
    assert work == file.read_bytes()
    assert 0 == notebooks.main(["--root", str(workshop), "--force"])
    assert [work] == [copy.read_bytes() for copy in file.parent.glob("*.bak")]
    assert 0 == notebooks.main(["--root", str(workshop), "--check"])


def test_executed_notebook_is_not_a_work(workshop: Path) -> None:
    """L'avoir seulement exécuté et enregistré n'empêche pas de le mettre à jour, sans copie."""
    file = workshop / "notebooks" / f"{EXERCISES.stem}.ipynb"
    notebook = nbformat.read(file, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
    nbformat.write(notebook, file)

    assert 0 == notebooks.main(["--root", str(workshop)])
    assert [] == list(file.parent.glob("*.bak"))
    assert 0 == notebooks.main(["--root", str(workshop), "--check"])


def test_unreadable_notebook_is_a_work(workshop: Path) -> None:
    """Un fichier abîmé n'est pas jeté : c'est peut-être tout ce qui reste."""
    file = workshop / "notebooks" / f"{EXERCISES.stem}.ipynb"
    file.write_text("{ presque du JSON", encoding="utf-8")

    assert 1 == notebooks.main(["--root", str(workshop)])
    assert "{ presque du JSON" == file.read_text(encoding="utf-8")


def test_twelve_faults_are_in_the_messy_notebook() -> None:
    """Chaque faute que le guide de l'enseignant cite se trouve dans le notebook, mot pour mot."""
    page = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    notebook = "\n".join(cell.source for cell in notebooks.stub_notebook(SOURCES[0]).cells)
    faults = re.findall(
        r"^\| \d+ \| [^|]+ \| ([^|]+) \| [^|]+ \|$", page.partition("## Les exercices")[0], flags=re.MULTILINE
    )
    quoted = [quote for fault in faults for quote in re.findall(r"`([^`]+)`", fault)]

    assert 12 == len(faults)
    assert [] == [quote for quote in quoted if quote not in notebook]


@pytest.mark.slow
@pytest.mark.usefixtures("lonely")
@pytest.mark.parametrize("source", SOURCES, ids=_named)
def test_untouched_notebook_runs_from_top_to_bottom(source: Path) -> None:
    """Tel que l'étudiant l'ouvre, il s'exécute sans erreur ni avertissement ; ses exercices sont rouges."""
    notebook = _executed(notebooks.stub_notebook(source))

    todos = [1, 2, 3, 4] if source == EXERCISES else []
    assert [("pas encore fait", todo) for todo in todos] == _verdicts(notebook)
    assert "Warning" not in _printed(notebook, "stderr")


@pytest.mark.slow
@pytest.mark.usefixtures("lonely")
def test_solved_notebook_is_green() -> None:
    """Résolu, chaque règle de chaque exercice est verte."""
    notebook = _executed(notebooks.solved_notebook(EXERCISES))

    assert [("vert", rule.todo) for rule in exercises.rules] == _verdicts(notebook)
