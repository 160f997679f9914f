"""`make doctor` : une ligne par point vérifié, une réparation par problème, et le code de retour."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atelier import __main__ as command
from atelier.machine import env_file, errors
from atelier.stack import doctor, services
from tests.helpers.ports import free_port

Doctor = Callable[[], tuple[int, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Une machine saine, sans rien qui tourne."""
    for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "ATELIER_SIDECARS"):
        monkeypatch.setenv(variable, "")
    for service in services.SERVICES:
        if service.address:
            monkeypatch.setenv(service.address.port_setting, str(free_port()))
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path))
    monkeypatch.setattr(env_file, "ENV_FILE", tmp_path / ".env")
    monkeypatch.setattr(doctor, "DISK_NEEDED", 0.0)
    monkeypatch.setattr(doctor, "MEMORY_TO_START", 0.0)
    return tmp_path


@pytest.fixture
def examine(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Joue `python -m atelier doctor`."""

    def run() -> tuple[int, str]:
        code = command.main(["doctor"])
        return code, capsys.readouterr().out

    return run


def test_healthy_machine(examine: Doctor) -> None:
    """Tout va bien : le code 0, et rien à réparer."""
    code, output = examine()

    assert (0, 0) == (code, output.count("problème")), output
    assert output.endswith("\nTout va bien.\n")


@pytest.mark.parametrize(
    ("module", "name", "value", "text", "repair"),
    [
        (doctor, "DISK_NEEDED", 1e9, "Go libres, il en faut", "libérez de la place"),
        (doctor, "MEMORY_TO_START", 1e9, "Go disponibles, il en faut", "fermez des programmes"),
        (doctor, "PYTHON_VERSIONS", ((3, 98), (3, 99)), " : il faut 3.11, 3.12 ou 3.13", "make up PYTHON="),
        (sys, "prefix", sys.base_prefix, "hors d'un environnement virtuel", "make up"),
    ],
)
def test_each_problem_has_its_repair(
    examine: Doctor, monkeypatch: pytest.MonkeyPatch, module: object, name: str, value: object, text: str, repair: str
) -> None:
    """Un problème : le code 1, ce qui ne va pas, et la commande."""
    monkeypatch.setattr(module, name, value)
    code, output = examine()

    assert (1, 1) == (code, output.count("  problème ")), output
    problem, _, after = output.partition("pour réparer : ")
    assert (True, True) == (text in problem, after.startswith(repair)), output


def test_package_of_another_version(examine: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Un paquet absent ou d'une autre version se nomme ; un autre système ne compte pas."""
    lock = ["prefect==1.0.0", 'absent==1.0 ; python_version >= "3"', 'elsewhere==1.0 ; os_name == "x"']
    text = "".join(f"{line} \\\n    --hash=sha256:0\n" for line in lock)
    (tmp_path / "requirements.lock").write_text(text, encoding="utf-8")
    (tmp_path / "katas").mkdir()
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    code, output = examine()

    assert (1, True) == (code, "celle du verrou : prefect, absent\n" in output), output
    assert "pour réparer : make -B up" in output


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("ATELIER_MLFLOW_PORTS=5001\n", "fichier .env : ATELIER_MLFLOW_PORTS n'existe pas"),
        ("# bien\n= 5001\n", "fichier .env : la ligne 2 ne se lit pas"),
    ],
)
def test_mistake_in_the_env_file(examine: Doctor, home: Path, content: str, text: str) -> None:
    """Une faute de frappe dans `.env`, que tout le monde ignorerait en silence."""
    (home / ".env").write_text(content, encoding="utf-8")
    code, output = examine()

    assert (1, True) == (code, text in output), output


def test_impossible_port(examine: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un port impossible ne cache pas le reste."""
    monkeypatch.setenv("ATELIER_DAGSTER_PORT", "trois mille")
    code, output = examine()

    assert (1, True) == (code, "ATELIER_DAGSTER_PORT vaut « trois mille »" in output), output


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="rien n'est interdit à root")
def test_folder_of_someone_else(examine: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Un dossier où l'on ne peut pas écrire : qui doit le posséder."""
    (tmp_path / "katas").mkdir(mode=0o555)
    monkeypatch.setattr(doctor, "ROOT", tmp_path)

    assert "sudo chown -R" in examine()[1]


def test_missing_package_is_not_a_trace(examine: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un paquet dont l'examen a besoin manque : c'est un problème comme un autre."""
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    code, output = examine()

    assert (1, True) == (code, "n'est pas installé" in output), output


def test_repairs_are_those_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sous Windows, sans `make`, les mêmes réparations se tapent autrement."""
    monkeypatch.setattr(errors.sys, "platform", "win32")
    python = r".venv\Scripts\python -m"

    assert f"{python} atelier down ; {python} atelier up, puis" == errors.typed_here("make down && make up, puis")
    assert errors.typed_here("make -B up").startswith(f"{python} pip install")


def test_packages_of_a_container_come_from_its_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dans le dev container, réinstaller ne se fait pas par `make` : l'image se refait."""
    monkeypatch.setenv(errors.IN_IMAGE, "/opt/venv")

    assert "Rebuild Container" in errors.typed_here(errors.REINSTALL)
