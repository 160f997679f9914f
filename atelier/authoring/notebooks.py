"""Le générateur de notebooks : `make notebooks` écrit `notebooks/` à partir de `solutions/notebooks/`.

Une source est un script au format « percent » de jupytext, qui se relit bien. Ses blocs `# BEGIN SOLUTION` deviennent
des TODO, comme dans les katas. Un notebook garde dans ses métadonnées l'empreinte des cellules produites : si elles
ont changé, il contient le travail de quelqu'un, et n'est jamais remplacé sans copie.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from atelier.authoring.generator import Product, State, generate, parser
from atelier.exercise.marks import BEGIN, make_solution, make_stub
from atelier.machine.paths import ROOT

FINGERPRINT = "atelier_fingerprint"
# Celui que chacun a, dans le dev container comme dans `.venv` ; l'éditeur laisse en choisir un autre.
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def main(argv: Sequence[str] | None = None) -> int:
    """Écrit ou vérifie les notebooks ; rend 0, 1 (refusé ou pas à jour) ou 2 (source inutilisable)."""
    options = parser("python -m atelier.authoring.notebooks", __doc__.splitlines()[0])
    options.add_argument("--solved", type=Path, metavar="DIR", help="écrit les notebooks résolus dans ce dossier")
    chosen = options.parse_args(argv)
    make = solved_notebook if chosen.solved else stub_notebook
    folder = chosen.solved or chosen.root / "notebooks"
    return generate(lambda: [_Notebook(source, folder, make) for source in sources(chosen.root)], chosen)


def sources(root: Path = ROOT) -> list[Path]:
    """Les sources des notebooks, dans l'ordre du parcours."""
    return sorted((root / "solutions" / "notebooks").glob("*.py"))


def stub_notebook(source: Path) -> NotebookNode:
    """Le notebook à compléter, tel qu'un étudiant l'ouvre."""
    return _notebook(source.read_text(encoding="utf-8"), f"solutions/notebooks/{source.name}", make_stub)


def solved_notebook(source: Path) -> NotebookNode:
    """Le même, résolu."""
    return _notebook(source.read_text(encoding="utf-8"), f"solutions/notebooks/{source.name}", make_solution)


def solved_text(source: str, name: str) -> str:
    """Le fichier `.ipynb` résolu, à partir du texte de sa source ; `name` ne sert qu'aux messages."""
    return _text(_notebook(source, name, make_solution))


def is_untouched(notebook: NotebookNode) -> bool:
    """Dit si les cellules sont encore celles que le générateur a écrites ; les avoir exécutées ne compte pas."""
    return notebook.metadata.get(FINGERPRINT) == _fingerprint(notebook)


@dataclass(frozen=True)
class _Notebook(Product):
    source: Path
    folder: Path
    convert: Callable[[Path], NotebookNode]
    command: str = "make notebooks"

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def file(self) -> Path:
        return self.folder / f"{self.source.stem}.ipynb"

    def make(self) -> str:
        return _text(self.convert(self.source))

    def state(self, wanted: str) -> State:
        if not self.file.exists():
            return State.MISSING
        if self.file.read_text(encoding="utf-8") == wanted:
            return State.FRESH
        return State.OLD if _is_unmodified(self.file) else State.TOUCHED


def _is_unmodified(file: Path) -> bool:
    try:
        return is_untouched(nbformat.read(file, as_version=4))
    except (OSError, ValueError, KeyError, AttributeError, nbformat.ValidationError):
        return False  # illisible : dans le doute, c'est le travail de quelqu'un


def _notebook(text: str, name: str, make: Callable[[str, str], str]) -> NotebookNode:
    if BEGIN in text:  # d'autres se lisent seulement
        text = make(text, name)
    notebook = jupytext.reads(text, fmt="py:percent")
    for rank, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{rank:02}"  # jupytext le tire au sort
    notebook.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    notebook.metadata[FINGERPRINT] = _fingerprint(notebook)
    return notebook


def _fingerprint(notebook: NotebookNode) -> str:
    cells = [[cell.cell_type, cell.source.rstrip()] for cell in notebook.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def _text(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook, version=4) + "\n"


if __name__ == "__main__":
    sys.exit(main())
