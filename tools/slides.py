"""Construit les slides de l'enseignant, `docs/slides/slides.md`, en HTML et en PDF : `python -m tools.slides`.

Marp les met en page, Chromium les imprime. Chaque fichier produit se suffit : il s'ouvre d'une clé USB, sans réseau.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from atelier.machine.paths import ROOT
from tools import slide_pictures
from tools.browser import OPTIONS, executable
from tools.npm import MissingTool, node_modules

SOURCE = slide_pictures.SLIDES / "slides.md"
THEME = slide_pictures.SLIDES / "atelier.css"
BUILD = ROOT / "build" / "slides"
INSPECT = Path(__file__).with_suffix(".cjs")
PICTURE = re.compile(r"^!\[([^\]]+)\]\(([^)\s]+\.svg)\)$", flags=re.MULTILINE)
NOTES = re.compile(r"^<!--\n.*?^-->$", flags=re.DOTALL | re.MULTILINE)
# La typographie française : pas de retour à la ligne devant ces signes, ni entre un nombre et son unité.
UNBREAKABLE = re.compile(r"(?<=[^\s|]) (?=[?!;:»])|(?<=«) |(?<=\d) (?=\d{3}\b|%|h\b|s\b|Mio\b|minutes?\b)")


@dataclass(frozen=True)
class Slide:
    """Une slide, telle que Chromium l'affiche ; `problems` dit ce qui n'y tient pas ou ne se lit pas."""

    text: str
    problems: list[str]


def main() -> int:
    """Refait les images, puis les slides ; rend 2 s'il manque un outil."""
    slide_pictures.draw()
    try:
        for build in (build_html, build_pdf):
            print(build(SOURCE, BUILD).relative_to(ROOT))
    except MissingTool as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


def build_html(source: Path, folder: Path) -> Path:
    """Le HTML ; la touche `p` y ouvre la vue de l'orateur, avec ses notes. Lève `MissingTool`."""
    return _marp(source, folder / f"{source.stem}.html")


def build_pdf(source: Path, folder: Path) -> Path:
    """Le PDF, une page par slide. Lève `MissingTool`."""
    try:
        browser = ["--browser-path", executable()]
    except MissingTool:
        browser = []  # Marp sait où macOS et Windows rangent Chrome, Edge et Firefox
    options = ["--pdf", "--pdf-outlines", "--pdf-outlines.pages=false", "--browser-timeout", "120"]
    return _marp(source, folder / f"{source.stem}.pdf", *options, *browser)


def prepared(source: Path) -> str:
    """Le Markdown que lit Marp : images comprises, rien de coupé devant un « ? », des notes d'un seul tenant."""

    def inline(found: re.Match[str]) -> str:
        svg = (source.parent / found[2]).read_text(encoding="utf-8")
        return f'<div class="picture">{svg.strip()}</div>'

    text = UNBREAKABLE.sub("\u00a0", source.read_text(encoding="utf-8"))
    return NOTES.sub(lambda found: re.sub(r"(?<!--)\n(?!\[|-->)", " ", found[0]), PICTURE.sub(inline, text))


def inspect(html: Path) -> list[Slide]:
    """Affiche chaque slide dans Chromium et la mesure. Lève `MissingTool`."""
    request = {"url": html.as_uri(), "executable": executable(), "options": OPTIONS}
    answer = subprocess.run(
        ["node", str(INSPECT)],
        input=json.dumps(request),
        env={**os.environ, "NODE_PATH": str(node_modules())},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return [Slide(**slide) for slide in json.loads(answer.stdout)]


def _marp(source: Path, target: Path, *options: str) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    marp = node_modules() / "@marp-team" / "marp-cli" / "marp-cli.js"
    # `--html` : nos images sont du SVG, dans la page. Sans bac à sable, root peut imprimer en intégration continue.
    command = ["node", str(marp), "-", "--html", "--theme", str(THEME), "--no-config-file", "--output", str(target)]
    done = subprocess.run(
        [*command, *options],
        input=prepared(source),
        env={**os.environ, "CHROME_NO_SANDBOX": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if "No suitable browser" in done.stdout:
        raise MissingTool("le PDF demande Chromium, Chrome, Edge ou Firefox (sous Debian : sudo apt install chromium)")
    if done.returncode:
        raise RuntimeError(done.stdout)
    return target


if __name__ == "__main__":
    sys.exit(main())
