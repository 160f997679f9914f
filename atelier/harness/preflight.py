"""Avant le premier test : ce qui, sur cette machine, fausserait tout ce que pytest dirait du code de l'étudiant."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from atelier.exercise.kata import KATAS
from atelier.harness import data
from atelier.machine.errors import EnvironmentProblem
from atelier.machine.packages import hidden_module
from atelier.machine.paths import ROOT, state_dir, typed
from atelier.machine.resources import full_disk, short_memory, skipped_asserts

# Ce que le dépôt range lui-même à sa racine, et dont un paquet installé pourrait prendre le nom.
HOUSE = ("atelier", "conftest", "tests", "tools")
# De pytest-xdist, sous les noms qu'il leur donne, ce qui répartit les tests entre plusieurs processus.
ALONE = {"numprocesses": None, "dist": "no", "distload": False, "tx": []}


def add_options(parser: pytest.Parser, manager: pytest.PytestPluginManager) -> None:
    """Reconnaît `-n 2`, qu'un `PYTEST_ADDOPTS` écrit pour d'autres projets apporte sans pytest-xdist."""
    if not manager.hasplugin("xdist"):
        group = parser.getgroup("katas")
        group._addoption("-n", "--numprocesses", dest="numprocesses", metavar="N", help="sans effet sur les katas")
        group.addoption("--dist", help="sans effet sur les katas")


def check(config: pytest.Config) -> None:
    """Refuse de jouer des katas sur une machine en panne, d'une phrase ; les joue dans un seul processus."""
    folders = folders_of(config)
    if not folders:
        return
    for name, value in ALONE.items():
        setattr(config.option, name, value)
    if problem := _problem(folders):
        raise pytest.UsageError(f"environnement en panne : {problem}. Pour réparer : {problem.repair}.")


def folders_of(config: pytest.Config) -> list[Path]:
    """Les dossiers de katas que joue cette commande."""
    return list(dict.fromkeys(_folders(config.args, config.invocation_params.dir)))


def _folders(arguments: Sequence[str], directory: Path) -> Iterator[Path]:
    """Les dossiers de katas que demandent ces arguments."""
    for argument in arguments:
        path = (directory / argument.partition("::")[0]).resolve()
        if path.is_relative_to(KATAS) and path != KATAS:
            yield KATAS / path.relative_to(KATAS).parts[0]
        elif KATAS.is_relative_to(path):
            yield from (folder for folder in KATAS.iterdir() if folder.is_dir())


def _problem(folders: Sequence[Path]) -> EnvironmentProblem | None:
    if skipped := skipped_asserts():
        return skipped
    for folder in (ROOT, *folders):
        own = [test.stem.removeprefix("test_") for test in folder.glob("test_*.py")]
        if hidden := hidden_module(folder, HOUSE if folder == ROOT else own):
            file, name = hidden
            return EnvironmentProblem(
                f"{typed(file)} cache le module « {name} », que d'autres importent",
                f"renommez {typed(file)}, puis relancez pytest",
            )
    if damaged := data.damage():
        return damaged
    try:
        return short_memory() or full_disk(state_dir())
    except OSError as error:  # le dossier d'état ne peut même pas être créé
        return EnvironmentProblem(f"le système refuse : {error}", "make doctor")
