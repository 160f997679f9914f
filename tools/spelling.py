"""Relit l'orthographe de ce que l'on donne à lire : `python -m tools.spelling`, avec hunspell et son dictionnaire `fr`.

Le code, les adresses et les noms de fichiers ne comptent pas. Les mots de l'atelier que le français ne connaît pas
sont dans `tools/dictionary.txt`.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from atelier.machine.paths import ROOT

DICTIONARY = Path(__file__).with_name("dictionary.txt")
PAGES = ("*.md", "data/*.md", "docs/**/*.md", "katas/*/README.md", "notebooks/*.ipynb", "katas/*/*.py")
ENGLISH = {"README.en.md"}
# L'en-tête d'une page, pour Marp : des réglages, pas une phrase.
HEADER = re.compile(r"\A---\n.*?^---$", flags=re.DOTALL | re.MULTILINE)
FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2", flags=re.DOTALL | re.MULTILINE)
# Dans l'ordre : du code, la cible d'un lien, une balise, une adresse, un nom de fichier, un identifiant, un nombre, une
# valeur ou une erreur de Python.
NOT_PROSE = re.compile(
    r"`[^`]*`|\]\([^)]*\)|<[^>]+>|https?://\S+|[\w./-]+\.[a-z]{2,5}\b|\w*_\w*|\w*\d\w*|\b(?:True|False|\w+Error)\b"
)
WORD = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")
ELISION = re.compile(r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu)'", flags=re.IGNORECASE)
INSTALL = "sous Debian ou Ubuntu : sudo apt install hunspell hunspell-fr"


def main() -> int:
    """Écrit chaque mot inconnu et où il est ; rend 0, 1 s'il y en a, 2 si hunspell manque."""
    if not is_available():
        print(f"hunspell, ou son dictionnaire français, n'est pas installé ({INSTALL})", file=sys.stderr)
        return 2
    found = unknown({str(page.relative_to(ROOT)): text(page) for page in pages()})
    for place, word in found:
        print(f"{place} : {word}")
    return 1 if found else 0


def is_available() -> bool:
    """Dit si hunspell est là, avec le français."""
    if shutil.which("hunspell") is None:
        return False
    return subprocess.run(["hunspell", "-d", "fr", "-l"], input=b"", capture_output=True, check=False).returncode == 0


def pages() -> list[Path]:
    """Ce que lisent l'étudiant et l'enseignant, en français."""
    return sorted(page for pattern in PAGES for page in ROOT.glob(pattern) if page.name not in ENGLISH)


def text(page: Path) -> str:
    """Le Markdown d'une page, des cellules de texte d'un notebook ; d'un kata, ce que ses verdicts montrent."""
    content = page.read_text(encoding="utf-8")
    if page.suffix == ".py":
        return _shown_by_tests(content)
    if page.suffix != ".ipynb":
        return content
    return "\n".join(
        "".join(cell["source"]) for cell in json.loads(content)["cells"] if cell["cell_type"] == "markdown"
    )


def unknown(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Les mots que ni le français ni l'atelier ne connaissent, chacun avec `page:ligne`."""
    places = [(f"{name}:{line}", word) for name, content in texts.items() for line, word in _words(content)]
    listed = "\n".join(dict.fromkeys(word for _, word in places))
    command = ["hunspell", "-d", "fr", "-i", "utf-8", "-l"]
    answer = subprocess.run(command, input=listed, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    refused = set(answer.split())
    ours = set(DICTIONARY.read_text(encoding="utf-8").split())
    return [(place, word) for place, word in places if word in refused and word.lower() not in ours]


def _shown_by_tests(code: str) -> str:
    """Les docstrings et les textes donnés à `explain`, chacun à sa ligne."""
    lines = [""] * (code.count("\n") + 1)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            shown = [node.body[0]]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "explain":
            shown = [*node.args, *(keyword.value for keyword in node.keywords)]
        else:
            continue
        for part in (inner for outer in shown for inner in ast.walk(outer) if isinstance(inner, ast.Constant)):
            lines[part.lineno - 1] += f" {part.value}".replace("\n", " ")
    return "\n".join(lines)


def _words(content: str) -> Iterator[tuple[int, str]]:
    without_code = content.replace("’", "'")
    for block in (HEADER, FENCE):
        without_code = block.sub(lambda found: "\n" * found[0].count("\n"), without_code)
    for number, line in enumerate(without_code.splitlines(), start=1):
        for word in WORD.findall(NOT_PROSE.sub(" ", line)):
            yield number, ELISION.sub("", word)


if __name__ == "__main__":
    sys.exit(main())
