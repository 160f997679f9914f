"""Le générateur de notebooks : `make notebooks` écrit `notebooks/` à partir de `solutions/notebooks/`.

Une source est un script au format « percent » de jupytext, qui se relit bien. Ses blocs `# BEGIN SOLUTION` deviennent
des TODO, comme dans les katas. Un notebook garde dans ses métadonnées l'empreinte des cellules produites : si elles
ont changé, il contient le travail de quelqu'un, et n'est jamais remplacé sans copie.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from atelier.authoring.stubs import BEGIN, StubError, back_up, make_solution, make_stub, write_atomically
from atelier.machine.paths import ROOT

FINGERPRINT = "atelier_fingerprint"
# Celui que chacun a, dans le dev container comme dans `.venv` ; l'éditeur laisse en choisir un autre.
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def main(argv: Sequence[str] | None = None) -> int:
    """Écrit ou vérifie les notebooks ; rend 0, 1 (refusé ou pas à jour) ou 2 (source inutilisable)."""
    options = _options(argv)
    try:
        return max(_process(source, options) for source in sources(options.root))
    except StubError as error:
        print(error, file=sys.stderr)
        return 2


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


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m atelier.authoring.notebooks", description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--force", action="store_true", help="remplace aussi un travail, et en garde une copie")
    mode.add_argument("--check", action="store_true", help="n'écrit rien, signale ce qui n'est pas à jour")
    mode.add_argument("--solved", type=Path, metavar="DIR", help="écrit les notebooks résolus dans ce dossier")
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="la racine du dépôt")
    return parser.parse_args(argv)


def _process(source: Path, options: argparse.Namespace) -> int:
    make = solved_notebook if options.solved else stub_notebook
    file = (options.solved or options.root / "notebooks") / f"{source.stem}.ipynb"
    wanted = _text(make(source))
    code, verdict = _check(file, wanted) if options.check else _update(file, wanted, force=options.force)
    print(f"{file.name} : {verdict}")
    return code


def _check(file: Path, wanted: str) -> tuple[int, str]:
    if not file.exists():
        return 1, "absent : lancez `make notebooks`"
    if file.read_text(encoding="utf-8") != wanted:
        return 1, "pas à jour : lancez `make notebooks`"
    return 0, "à jour"


def _update(file: Path, wanted: str, *, force: bool) -> tuple[int, str]:
    if not file.exists():
        write_atomically(file, wanted)
        return 0, "créé"
    if file.read_text(encoding="utf-8") == wanted:
        return 0, "à jour"
    if _is_unmodified(file):
        write_atomically(file, wanted)
        return 0, "mis à jour"
    if not force:
        return 1, "refusé, il contient un travail (--force le remplace et en garde une copie)"
    copy = back_up(file)
    write_atomically(file, wanted)
    return 0, f"remplacé, votre travail est copié dans {copy.name}"


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
