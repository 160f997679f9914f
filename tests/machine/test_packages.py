"""Le verrou, lu en un seul endroit."""

from pathlib import Path

import pytest

from atelier.machine.errors import EnvironmentProblem
from atelier.machine.packages import installed_version, locked

LOCK = """\
# un commentaire
absent==1.0 ; python_version >= "3" \\
    --hash=sha256:0
gql[requests]==4.0.0 \\
    --hash=sha256:1 \\
    --hash=sha256:2
    # via absent
"""


def test_entries_are_requirements(tmp_path: Path) -> None:
    """Chaque paquet, son extra, sa version et sa condition ; ni empreinte, ni commentaire."""
    (tmp_path / "requirements.lock").write_text(LOCK, encoding="utf-8")

    assert ['absent==1.0 ; python_version >= "3"', "gql[requests]==4.0.0"] == locked(tmp_path)


def test_missing_lock_asks_for_nothing(tmp_path: Path) -> None:
    """Sans verrou, rien n'est demandé : un kata copié ailleurs se joue quand même."""
    assert [] == locked(tmp_path)


def test_real_lock_has_the_three_tools() -> None:
    """Celui de l'atelier se lit : les trois outils y sont, chacun une fois."""
    names = [entry.partition("==")[0] for entry in locked()]

    assert [1, 1, 1] == [names.count(tool) for tool in ("prefect", "mlflow", "dagster")]


def test_absent_package_is_an_outage() -> None:
    """Un paquet absent n'est pas la faute de l'étudiant : la réparation est donnée."""
    with pytest.raises(EnvironmentProblem, match="« jamais-vu » n'est pas installé"):
        installed_version("jamais-vu")
