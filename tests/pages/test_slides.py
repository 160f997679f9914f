"""Les slides de l'enseignant : ce qu'elles disent est dans le dépôt, et rien n'y déborde."""

import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.helpers.katas import ROOT
from tools import slide_pictures, slides
from tools.npm import MissingTool

COMMENT = re.compile(r"<!--(.*?)-->", flags=re.DOTALL)
CITED = re.compile(r"`((?:docs|katas|notebooks)/[\w./-]+|README\.md)`")
NUMBER = re.compile(r"\d+(?:[,.]\d+)?")
BROKEN = """\
---
theme: atelier
---

# Tout va bien

---

# Trop haut

{lines}

---

# Trop large

| `{wide}` |
|---|

---

# Trop petit

<p style="font-size: 12px">Du fond de la salle, personne ne lit ceci.</p>

---

# Sans image

<img src="http://127.0.0.1:9/absent.png" alt="" width="20">

---

# Sort du cadre

![Une image dont le texte sort](frame.svg)
"""
FRAME = '<svg viewBox="0 0 100 20"><text x="80" y="10" font-size="5">un texte trop long</text></svg>'


def _source() -> list[str]:
    """Le Markdown de chaque slide, sans l'en-tête du fichier."""
    return re.split(r"^---$", slides.SOURCE.read_text(encoding="utf-8"), flags=re.MULTILINE)[2:]


def _shown(slide: str) -> str:
    return COMMENT.sub("", slide)


def _pages(pdf: Path) -> int:
    """Les objets du PDF sont compressés : on les ouvre, et l'on compte les pages."""
    content = pdf.read_bytes()
    streams = re.findall(rb"/FlateDecode.*?stream\r?\n(.*?)endstream", content, flags=re.DOTALL)
    texts = [content, *(zlib.decompressobj().decompress(stream) for stream in streams)]
    return sum(len(re.findall(rb"/Type\s*/Page\b", text)) for text in texts)


def test_each_kata_has_one_slide() -> None:
    """Une slide par kata, dans l'ordre, avec son dossier et les minutes que donne le README."""
    rows = re.findall(
        r"^\| \d\d \| \[\w+\]\(katas/(\w+)/README\.md\) \| (\d+) \|", (ROOT / "README.md").read_text("utf-8"), re.M
    )
    introductions = [
        found.groups()
        for slide in _source()
        if "_class: kata" in slide and (found := re.search(r"^`katas/(\w+)` · (\d+) minutes$", slide, flags=re.M))
    ]

    assert rows == introductions
    assert sorted(path.parent.name for path in ROOT.glob("katas/*/README.md")) == [
        folder for folder, _ in introductions
    ]


def test_each_kata_slide_tells_the_problem_the_pattern_and_where_to_look() -> None:
    """Toutes les slides de katas ont la même forme : trois lignes, puis une question."""
    for slide in (slide for slide in _source() if "_class: kata" in slide):
        assert ["Le problème", "Le geste", "Où regarder"] == re.findall(r"^- \*\*(.+?)\*\* ", slide, flags=re.M)
        assert 1 == len(re.findall(r"^> ", slide, flags=re.M))


def test_cited_pages_and_pictures_exist() -> None:
    """Un chemin écrit sur une slide mène quelque part, depuis la racine du dépôt."""
    text = "\n".join(_source())
    pictures = [name for _, name in slides.PICTURE.findall(text)]

    assert [] == [path for path in CITED.findall(text) if not (ROOT / path).exists()]
    assert sorted(f"{name}.svg" for name in slide_pictures.PICTURES) == sorted(pictures)
    assert text.count("![") == len(pictures)


@pytest.mark.parametrize("slide", [slide for slide in _source() if CITED.search("".join(COMMENT.findall(slide)))])
def test_figures_come_from_the_cited_page(slide: str) -> None:
    """Un nombre écrit sur une slide est dans la page citée en bas ; les minutes, elles, viennent du README."""
    shown = re.sub(r"^\d\. |` · \d+ minutes$|^!.*$", "", _shown(slide), flags=re.M)
    cited = CITED.findall("".join(COMMENT.findall(slide)))
    known = {number for path in cited for number in NUMBER.findall((ROOT / path).read_text(encoding="utf-8"))}

    assert [] == [number for number in NUMBER.findall(shown) if number not in known]


def test_pictures_are_up_to_date() -> None:
    """Les images sont celles que dessine le dépôt, avec les chiffres d'aujourd'hui : sinon, `make slides`."""
    drawn = {f"{name}.svg": picture() for name, picture in slide_pictures.PICTURES.items()}

    assert drawn == {path.name: path.read_text(encoding="utf-8") for path in slide_pictures.SLIDES.glob("*.svg")}


def test_notes_follow_the_schedule_of_the_guide() -> None:
    """Chaque slide a ses notes ; les minutes sont celles du guide de l'enseignant, et ne reculent pas."""
    schedule = re.findall(r"^\| (\d+–\d+) \|", (ROOT / "docs" / "teacher.md").read_text(encoding="utf-8"), flags=re.M)
    notes = [max(COMMENT.findall(slide), key=len) for slide in _source()]
    moments = [schedule.index(minutes) for note in notes for minutes in re.findall(r"^\[(.+?)\]", note, flags=re.M)]

    assert [] == [note for note in notes if not note.startswith("\n")]
    assert sorted(moments) == moments


def test_missing_tool_is_one_line_with_the_repair() -> None:
    """Sans `npm`, une ligne dit quoi installer."""
    command = [sys.executable, "-m", "tools.slides"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": ""}, capture_output=True, encoding="utf-8", check=False
    )

    assert (2, "") == (done.returncode, done.stdout)
    assert re.fullmatch(r"npm n'est pas installé \(.+ : sudo apt install npm\)\n", done.stderr)


@pytest.mark.slow
def test_nothing_overflows(tmp_path: Path) -> None:
    """Les vraies slides, dans un vrai navigateur : tout tient, tout se lit, rien ne vient du réseau."""
    shown = _inspect(slides.SOURCE, tmp_path)

    assert len(_source()) == len(shown)
    assert [] == [(slide.text.split("\n")[:2], slide.problems) for slide in shown if slide.problems]


@pytest.mark.slow
def test_broken_slides_are_refused(tmp_path: Path) -> None:
    """Un contrôle qui ne trouve jamais rien ne vaudrait rien."""
    (tmp_path / "frame.svg").write_text(FRAME, encoding="utf-8")
    source = tmp_path / "broken.md"
    source.write_text(BROKEN.format(lines="\n".join(["- une ligne"] * 20), wide="w" * 90), encoding="utf-8")

    fine, high, wide, small, missing, outside = (" ".join(slide.problems) for slide in _inspect(source, tmp_path))

    assert "http://127.0.0.1:9/absent.png demande le réseau" == fine
    assert "dépasse la page" in high
    assert "sort de la page" in wide
    assert "est trop petit (12.0 px)" in small
    assert "absent.png ne se charge pas" in missing
    assert "sort de son image" in outside


@pytest.mark.slow
def test_pdf_has_one_page_per_slide(tmp_path: Path) -> None:
    """Le PDF est complet."""
    try:
        pdf = slides.build_pdf(slides.SOURCE, tmp_path)
    except MissingTool as problem:
        pytest.skip(str(problem))

    assert len(_source()) == _pages(pdf)


def _inspect(source: Path, folder: Path) -> list[slides.Slide]:
    try:
        return slides.inspect(slides.build_html(source, folder))
    except MissingTool as problem:
        pytest.skip(str(problem))
