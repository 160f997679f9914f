"""Le dépôt entier : rien d'une machine en particulier, des liens qui mènent quelque part, un code en ASCII."""

import re
import shutil
import subprocess
import tokenize
from pathlib import Path

import pytest

from tests.helpers.katas import ROOT
from tools import spelling


def _files() -> list[Path]:
    """Les fichiers du dépôt, ceux qui ne sont pas encore suivis compris."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    return [path for path in (ROOT / name for name in listed.stdout.split("\0") if name) if path.is_file()]


FILES = _files()
PYTHON = [path for path in FILES if path.suffix == ".py"]
PAGES = [path for path in FILES if path.suffix == ".md"]
NOTEBOOKS = [path for path in FILES if path.suffix == ".ipynb"]
LOCKS = ["docs/airflow/requirements.lock", "requirements.lock"]
# Écrits en deux morceaux : ce fichier-ci aussi est relu.
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "docker" + "hub.com", "index" + "-url"]
MACHINES = [r"/home" + r"/\w", r"/Users" + r"/\w", r"/root" + r"/\.?\w", r"[A-Z]:\\Users" + r"\\", "file:" + "//"]

pytestmark = pytest.mark.skipif(not FILES, reason="ce n'est pas un dépôt git")


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""  # une image


def _found(pattern: str) -> list[str]:
    return [_named(path) for path in FILES if re.search(pattern, _text(path))]


@pytest.mark.parametrize("host", REGISTRIES)
def test_no_registry_is_named(host: str) -> None:
    """Les paquets viennent d'où l'utilisateur les prend : aucun registre n'est écrit."""
    assert [] == _found(re.escape(host))


@pytest.mark.parametrize("pattern", MACHINES)
def test_no_path_of_a_machine(pattern: str) -> None:
    """Aucun chemin absolu de la machine de quelqu'un."""
    assert [] == _found(pattern)


def test_no_path_of_this_machine() -> None:
    """Ni celui d'où l'on vérifie."""
    assert [] == _found(re.escape(str(ROOT)) + r"\b")


def test_locks_are_known() -> None:
    """Un verrou pour l'atelier, que pip et uv lisent tous deux ; un autre pour Airflow, qui vit à part."""
    locks = [_named(path) for path in FILES if path.suffix == ".lock" or path.name.startswith("requirements")]

    assert LOCKS == sorted(locks)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    """Chaque paquet du verrou est à une version exacte, avec ses empreintes, sans aucune adresse."""
    text = re.sub(r"\s*#.*", "", (ROOT / lock).read_text(encoding="utf-8"))
    packages = re.split(r"\n(?=\S)", text.strip())

    assert [] == [package for package in packages if not re.match(r"[\w.\-]+(\[[\w,\-]+\])?==[\w.+!]+", package)]
    assert [] == [package for package in packages if "--hash=sha256:" not in package]
    assert "://" not in text


@pytest.mark.skipif(not shutil.which("make"), reason="make n'est pas installé")
def test_make_alone_lists_the_targets() -> None:
    """`make` sans argument montre toutes les commandes et n'en lance aucune."""
    run = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)

    shown = re.findall(r"^  make ([\w-]+) +\S", run.stdout, flags=re.MULTILINE)
    assert phony
    assert (0, sorted(phony[1].split())) == (run.returncode, sorted(shown)), run.stderr


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=_named)
def test_links_lead_somewhere(page: Path) -> None:
    """Chaque lien, chaque image mène à un fichier du dépôt, et chaque ancre à un titre de sa page."""
    assert [] == _broken_links(page, spelling.text(page))


def test_broken_links_are_seen() -> None:
    """Un fichier, une image, une ancre qui n'existent pas se voient ; le code ne compte pas."""
    page = "# Un **titre** à lui, `x`\n[a](README.md) [b](#un-titre-à-lui-x) [c](https://example.org) `[d](d.md)`\n"
    broken = "[e](e.md) ![f](f.png) [g](#g) [h](README.md#h) <img src='i.svg'>\n"

    assert ["e.md", "f.png", "#g", "README.md#h", "i.svg"] == _broken_links(ROOT / "page.md", page + broken)


def _broken_links(page: Path, text: str) -> list[str]:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    links = [link or source for link, source in re.findall(r"\]\(([^)\s]+)\)|\bsrc=[\"']([^\"']+)", prose)]
    return [link for link in links if not re.match(r"\w+:", link) and not _exists(page, text, link)]


def _exists(page: Path, text: str, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if path and not target.exists():
        return False
    return not anchor or anchor in _anchors(text if not path else _text(target))


def _anchors(text: str) -> set[str]:
    """Les titres tels que GitHub les nomme : en minuscules, sans ponctuation, des tirets pour les espaces."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_identifiers_are_ascii() -> None:
    """Ce qui s'exécute est en ASCII : les accents sont pour les textes, pas pour les noms."""
    found = {(_named(path), name) for path in PYTHON for name in _names(path) if not name.isascii()}

    assert [] == sorted(found)


def _names(path: Path) -> set[str]:
    with path.open("rb") as stream:
        return {token.string for token in tokenize.tokenize(stream.readline) if token.type == tokenize.NAME}


def test_file_names_are_ascii_and_unambiguous() -> None:
    """Les noms de fichiers passent partout : en ASCII, sans espace, distincts même sans la casse."""
    names = [_named(path) for path in FILES]

    assert [] == [name for name in names if not re.fullmatch(r"[\w./\-]+", name, flags=re.ASCII)]
    assert len(names) == len({name.lower() for name in names})


def test_no_merge_is_left_halfway() -> None:
    """Aucune marque de conflit de git ne reste dans un fichier."""
    assert [] == _found(r"(?m)^(<{7}|>{7}) ")


def test_texts_end_lines_with_lf() -> None:
    """Des fins de ligne Unix : un script en CRLF ne se lance pas dans un conteneur."""
    assert [] == [_named(path) for path in FILES if _text(path) and b"\r\n" in path.read_bytes()]
