"""Dessine les images des slides, `docs/slides/*.svg` ; `make slides` les refait.

Des boîtes, des flèches et du texte, lisibles du fond d'une salle. Les chiffres sont lus dans la page qui les donne.
"""

import re
from collections.abc import Callable, Iterable

from atelier.machine.paths import ROOT

SLIDES = ROOT / "docs" / "slides"
FIGURES = ROOT / "docs" / "airflow" / "README.md"
INK, NOTE, LINE = "#1f2933", "#3e4c59", "#52606d"
BLUE, GREEN, AMBER, PAPER = "#14425c", "#2f6f4f", "#a85a00", "#ffffff"
PALE = {BLUE: "#e6eff5", GREEN: "#e6f2ec", AMBER: "#fff4e0", PAPER: PAPER}
TOOLS = ("Airflow", "Prefect", "Dagster")
WIDTH = 1160


def draw() -> None:
    """Écrit chaque image, si elle a changé."""
    for name, picture in PICTURES.items():
        path, content = SLIDES / f"{name}.svg", picture()
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8", newline="\n")


def chain() -> str:
    """Du notebook au pipeline : ce que note MLflow, ce que conduit l'orchestrateur."""
    steps = [
        ("Développer", "notebook", PAPER),
        ("Suivre", "runs", BLUE),
        ("Enregistrer", "registre", BLUE),
        ("Servir", "lot, HTTP", BLUE),
        ("Automatiser", "pipeline", GREEN),
    ]
    parts = [_box(240 * rank, 20, 200, 130, title, [line], color) for rank, (title, line, color) in enumerate(steps)]
    parts += [_arrow(240 * rank + 200, 85, 240 * rank + 236, 85) for rank in range(4)]
    parts += [_brace(240, 920, 180, BLUE), _text(580, 262, "MLflow : quoi", 32, BLUE, anchor="middle", bold=True)]
    parts += [_brace(962, 1158, 180, GREEN), _text(1060, 262, "l'orchestrateur :", 26, GREEN, "middle", bold=True)]
    parts += [_text(1060, 296, "comment", 26, GREEN, "middle", bold=True)]
    return _svg("chain", 310, parts)


def architecture() -> str:
    """Les serveurs de l'atelier, sur un seul réseau."""
    servers = [
        ("workspace", ["le terminal,", "pytest, notebooks"], "votre dossier", PAPER),
        ("prefect", ["les runs,", "l'interface"], "port 4200", GREEN),
        ("prefect-worker", ["exécute les", "deployments"], "default-pool", GREEN),
        ("mlflow", ["expériences,", "modèles"], "port 5000", BLUE),
        ("dagster", ["les assets,", "l'interface"], "port 3000", AMBER),
    ]
    parts = [
        _box(0, 4, 520, 70, "Navigateur : les trois interfaces", [], PAPER),
        _box(640, 4, 520, 70, "VS Code ou Codespaces", [], PAPER),
        _arrow(260, 74, 260, 108),
        _arrow(900, 74, 900, 108),
        _frame(112, 272, LINE),
        _text(20, 148, "un seul réseau : 127.0.0.1 pour tous", 26, NOTE),
    ]
    for rank, (name, lines, place, color) in enumerate(servers):
        x = 16 + 227 * rank
        parts += [_box(x, 164, 216, 206, name, lines, color), _text(x + 108, 350, place, 24, NOTE, "middle")]
    return _svg("architecture", 388, parts)


def pipeline() -> str:
    """Le pipeline du kata 11, et le kata d'où vient chaque idée."""
    steps = [
        ("Télécharger", ["les clients"], "katas 01, 02"),
        ("Entraîner", ["deux candidats"], "katas 03, 04, 09"),
        ("Promouvoir", ["le meilleur"], "kata 10"),
        ("Prédire", ["pour tous"], "kata 10"),
    ]
    parts = [
        _frame(1, 292, GREEN),
        _text(24, 44, "un flow (kata 00), réglé (05), planifié (06), qui prévient (07)", 28, GREEN, bold=True),
    ]
    for rank, (title, lines, origin) in enumerate(steps):
        x = 20 + 286 * rank
        parts += [_box(x, 76, 250, 130, title, lines, BLUE), _text(x + 125, 250, origin, 26, NOTE, "middle")]
        parts += [_arrow(x + 250, 141, x + 282, 141)] if rank < 3 else []
    return _svg("pipeline", 296, parts)


def registry() -> str:
    """Trois versions, trois alias : celui qui sert se déplace."""
    versions = [("version 1", "previous", LINE), ("version 2", "champion", GREEN), ("version 3", "challenger", AMBER)]
    parts = []
    for rank, (version, alias, color) in enumerate(versions):
        x = 40 + 400 * rank
        parts += [
            f'<rect x="{x}" y="10" width="280" height="64" rx="32" fill="{color}"/>',
            _text(x + 140, 52, f"@{alias}", 30, PAPER, "middle", bold=True),
            _arrow(x + 140, 76, x + 140, 118),
            _box(x, 124, 280, 84, version, [], BLUE),
        ]
    return _svg("registry", 214, parts)


def journey() -> str:
    """De l'audit à l'exploitation."""
    steps = [
        ("1. Audit", ["que fait-on", "à la main ?"], BLUE),
        ("2. Pilote", ["un pipeline,", "une équipe"], BLUE),
        ("3. Échelle", ["des workers,", "une vraie base"], GREEN),
        ("4. Exploiter", ["alertes, suivi,", "gouvernance"], GREEN),
    ]
    parts = [_box(298 * rank, 10, 262, 140, title, lines, color) for rank, (title, lines, color) in enumerate(steps)]
    parts += [_arrow(298 * rank + 262, 80, 298 * rank + 294, 80) for rank in range(3)]
    return _svg("journey", 160, parts)


def figures() -> str:
    """Mémoire, démarrage et lignes de code des trois outils, lus dans la page sur Airflow."""
    page = FIGURES.read_text(encoding="utf-8")
    panels = [
        ("Mémoire au repos", "Mio", [_figure(page, rf"\| {tool} \(`[^|]*\| \d+ \| (\d+) Mio") for tool in TOOLS]),
        ("Prêt en", "s", [_figure(page, rf"\| {tool} \(`[^\n]* (\d+) s \|") for tool in TOOLS]),
        ("Le même pipeline", "lignes", [_figure(page, rf"\| {tool}[^|`]*\| (\d+) \|") for tool in TOOLS]),
    ]
    parts = [_text(0, 102 + 92 * rank, tool, 30, INK, bold=True) for rank, tool in enumerate(TOOLS)]
    for rank, (title, unit, values) in enumerate(panels):
        x = 160 + 340 * rank
        parts.append(_text(x, 40, title, 30, BLUE, bold=True))
        parts += _bars(x, 66, values, unit)
    return _svg("figures", 304, parts)


def _bars(x: int, y: int, values: Iterable[int], unit: str) -> list[str]:
    values = list(values)
    parts = []
    for rank, value in enumerate(values):
        length, top = round(170 * value / max(values)), y + 92 * rank
        parts.append(f'<rect x="{x}" y="{top}" width="{length}" height="52" fill="{(BLUE, GREEN, AMBER)[rank]}"/>')
        parts.append(_text(x + length + 10, top + 36, f"{value} {unit}", 28, INK))
    return parts


def _figure(page: str, pattern: str) -> int:
    """Le plus grand nombre que donne ce motif : Airflow a deux écritures du même pipeline."""
    return max(int(found) for found in re.findall(pattern, page))


def _box(x: int, y: int, width: int, height: int, title: str, lines: Iterable[str], color: str) -> str:
    lines = list(lines)
    first = y + 46 if lines else y + height // 2 + 10
    texts = [_text(x + width // 2, first, title, 28 if len(title) < 14 else 26, INK, "middle", bold=True)]
    texts += [
        _text(x + width // 2, first + 40 + 32 * rank, line, 24, NOTE, "middle") for rank, line in enumerate(lines)
    ]
    stroke = LINE if color == PAPER else color
    shape = f'<rect x="{x + 1}" y="{y + 1}" width="{width - 2}" height="{height - 2}" rx="12"'
    return "".join([f'{shape} fill="{PALE[color]}" stroke="{stroke}" stroke-width="2"/>', *texts])


def _frame(y: int, height: int, color: str) -> str:
    shape = f'<rect x="1" y="{y}" width="{WIDTH - 2}" height="{height}" rx="12"'
    return f'{shape} fill="#f4f6f8" stroke="{color}" stroke-width="2"/>'


def _brace(left: int, right: int, y: int, color: str) -> str:
    return f'<path d="M{left} {y}v24H{right}v-24" fill="none" stroke="{color}" stroke-width="4"/>'


def _arrow(x1: int, y1: int, x2: int, y2: int) -> str:
    """Vers la droite ou vers le bas."""
    tip = f"M{x2} {y2}l-12 -8v16z" if y1 == y2 else f"M{x2} {y2}l-8 -12h16z"
    return f'<path d="M{x1} {y1}L{x2} {y2}" stroke="{LINE}" stroke-width="3"/><path d="{tip}" fill="{LINE}"/>'


def _text(x: int, y: int, text: str, size: int, color: str, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}" text-anchor="{anchor}"{weight}>{text}</text>'


def _svg(name: str, height: int, parts: Iterable[str]) -> str:
    # La première ligne de la docstring de chaque dessin est son titre.
    title = (PICTURES[name].__doc__ or "").split("\n")[0]
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
    font = 'font-family="Liberation Sans, Helvetica Neue, Helvetica, Arial, sans-serif"'
    return "\n".join([f"{opening} {font}>", f"<title>{title}</title>", *parts, "</svg>", ""])


PICTURES: dict[str, Callable[[], str]] = {
    picture.__name__: picture for picture in (architecture, chain, figures, journey, pipeline, registry)
}
