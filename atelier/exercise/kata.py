"""Un kata et ses fichiers : son stub, sa solution, son README, ses tests, et l'outil qu'il apprend."""

import re
from dataclasses import dataclass
from pathlib import Path

from atelier.machine.paths import ROOT

KATAS, SOLUTIONS = ROOT / "katas", ROOT / "solutions"
FOLDER = re.compile(r"\d\d_[a-z0-9_]+")


@dataclass(frozen=True)
class KataSource:
    """Un kata, et le fichier qu'on en teste.

    `folder` est son dossier (`01_retries`), `module` son module (`prefect_retries`), `path` le fichier à charger :
    celui de l'étudiant, la solution, un rendu. Ses autres fichiers sont dans le dépôt `root`.
    """

    folder: str
    module: str
    path: Path
    root: Path = ROOT

    @property
    def name(self) -> str:
        """Le module et son dossier, comme on les cite."""
        return f"{self.folder}/{self.module}.py"

    @property
    def home(self) -> Path:
        """Son dossier, celui que l'étudiant ouvre."""
        return self.root / "katas" / self.folder

    @property
    def stub(self) -> Path:
        """Le fichier à compléter."""
        return self.home / f"{self.module}.py"

    @property
    def readme(self) -> Path:
        """Son énoncé."""
        return self.home / "README.md"

    @property
    def test(self) -> Path:
        """Ses tests."""
        return self.home / f"test_{self.module}.py"

    @property
    def solution(self) -> Path:
        """La solution de référence, avec ses marques."""
        return self.root / "solutions" / self.folder / f"{self.module}.py"

    @property
    def tool(self) -> str:
        """L'outil qu'il apprend, que nomme le début de son module : « prefect », « mlflow » ou « dagster »."""
        return self.module.partition("_")[0]


def kata_folders(root: Path = ROOT) -> list[str]:
    """Les dossiers de katas, dans l'ordre du parcours, sans les copies qu'en garde l'étudiant."""
    folders = (path for path in (root / "katas").iterdir() if FOLDER.fullmatch(path.name) and path.is_dir())
    return sorted(path.name for path in folders if original_of(path, root) is None)


def original_of(folder: Path, root: Path = ROOT) -> str | None:
    """Le kata dont ce dossier est une copie : il a ses tests, sous un autre nom ; rien si ce n'en est pas une."""
    if (root / "solutions" / folder.name).is_dir() and folder.parent == root / "katas":
        return None
    for test in folder.glob("test_*.py"):
        module = test.stem.removeprefix("test_")
        found = sorted((root / "solutions").glob(f"[0-9][0-9]_*/{module}.py"))
        if found and (root / "katas" / found[0].parent.name / test.name).is_file():
            return found[0].parent.name
    return None


def kata_in(folder: str, root: Path = ROOT) -> KataSource:
    """Le kata de ce dossier, testé sur le fichier de l'étudiant. Lève `LookupError` s'il n'a pas de tests."""
    test = next((root / "katas" / folder).glob("test_*.py"), None)
    if test is None:
        raise LookupError(f"katas/{folder} n'a pas de tests")
    module = test.stem.removeprefix("test_")
    return KataSource(folder, module, test.with_name(f"{module}.py"), root)


def source_of(test_file: Path, implementations: Path, root: Path = ROOT) -> KataSource | None:
    """Le kata que teste `katas/NN_slug/test_MODULE.py`, cherché dans `implementations` ; rien pour un autre test."""
    folder, module = test_file.parent, test_file.stem.removeprefix("test_")
    if folder.parent != root / "katas" or not FOLDER.fullmatch(folder.name):
        return None
    return KataSource(folder.name, module, implementations / folder.name / f"{module}.py", root)
