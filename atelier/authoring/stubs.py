"""Le générateur de stubs : `make stubs` écrit `katas/` à partir de `solutions/`.

Les marques d'une solution, et ce qu'elles deviennent, sont décrites dans `exercise/marks.py` ; ce qui distingue un stub
intact du travail d'un étudiant, dans `exercise/history.py`.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from atelier.authoring.generator import Product, State, generate, parser
from atelier.exercise.history import History, digest
from atelier.exercise.marks import make_stub
from atelier.exercise.reading import StubError


def main(argv: Sequence[str] | None = None) -> int:
    """Écrit ou vérifie les stubs ; rend 0, 1 (refusé ou pas à jour) ou 2 (source inutilisable)."""
    options = parser("python -m atelier.authoring.stubs", "Écrit les stubs de katas/ à partir de solutions/.")
    options.add_argument("katas", nargs="*", metavar="NN_slug", help="les katas à traiter (tous par défaut)")
    chosen = options.parse_args(argv)
    return generate(lambda: _stubs(chosen.root, chosen.katas), chosen)


@dataclass(frozen=True)
class _Stub(Product):
    """Un module de kata, nommé par son chemin sous `solutions/` comme sous `katas/`."""

    root: Path
    key: str
    history: History
    command: str = "make stubs"

    @property
    def name(self) -> str:
        return f"katas/{self.key}"

    @property
    def file(self) -> Path:
        return self.root / "katas" / self.key

    def make(self) -> str:
        try:
            source = (self.root / "solutions" / self.key).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            message = "ce fichier n'est pas en UTF-8 : enregistrez-le dans cet encodage."
            raise StubError(f"solutions/{self.key}:1: {message}") from error
        return make_stub(source, f"solutions/{self.key}")

    def state(self, wanted: str) -> State:
        if not self.file.exists():
            return State.MISSING
        found = digest(self.file.read_bytes())
        if found == digest(wanted.encode()):
            return State.FRESH
        return State.OLD if self.history.knows(self.key, found) else State.TOUCHED

    def is_recorded(self, wanted: str) -> bool:
        return self.history.knows(self.key, digest(wanted.encode()))

    def record(self, wanted: str) -> None:
        self.history.record(self.key, digest(wanted.encode()))


def _stubs(root: Path, requested: Sequence[str]) -> Iterable[Product]:
    solutions = root / "solutions"
    sources: dict[str, list[Path]] = {}
    for source in sorted(solutions.glob("[0-9][0-9]_*/*.py")):
        sources.setdefault(source.parent.name, []).append(source)
    # `Path.name` : le shell complète volontiers en « solutions/03_cache/ ».
    slugs = [Path(name).name for name in requested] or list(sources)
    unknown = [slug for slug in slugs if slug not in sources]
    if unknown:
        known = ", ".join(sources) or "aucun"
        raise StubError(f"{', '.join(unknown)} : kata sans solution ; katas connus : {known}.")
    if not slugs:
        raise StubError(f"{solutions} : aucune solution (NN_slug/module.py) ; vérifiez --root.")
    history = History.load(root)
    chosen = [source for slug in dict.fromkeys(slugs) for source in sources[slug]]
    return [_Stub(root, source.relative_to(solutions).as_posix(), history) for source in chosen]


if __name__ == "__main__":
    sys.exit(main())
