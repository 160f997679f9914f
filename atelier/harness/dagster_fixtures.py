"""La fixture Dagster des katas : une instance neuve par test, des erreurs en français.

Un plugin pytest à côté de `plugin.py`. Rien de lourd ne s'importe ici : la plupart des katas n'ont que faire de
Dagster, et aucun serveur ne démarre pour lui.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from atelier.dagster.settings import prepare_environment
from atelier.feedback.report import SOURCE
from atelier.harness.plugin import REPORTER
from atelier.harness.tools import prepare
from atelier.sandbox.loader import explain_missing_package
from atelier.sandbox.mistakes import StudentMistake

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from atelier.dagster.probe import Probe, RunRecord

# Ce que Dagster dit à pydantic d'une `dg.Config` encore vide.
UNHELPFUL_WARNING = "ignore:The `__fields__` attribute is deprecated"


def pytest_configure(config: pytest.Config) -> None:
    """Met Dagster à l'abri des réglages de l'utilisateur."""
    prepare(prepare_environment)
    config.addinivalue_line("filterwarnings", UNHELPFUL_WARNING)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Un fichier que Dagster refuse dès son chargement a droit, lui aussi, à une explication."""
    with _errors_in_french(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """De même pour ce que Dagster refuse pendant le test."""
    with _errors_in_french(item):
        return (yield)


@pytest.fixture(scope="session")
def _dagster_instance(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[DagsterInstance]":
    try:
        from dagster import DagsterInstance
    except ModuleNotFoundError as error:
        raise explain_missing_package(error) from error
    with DagsterInstance.ephemeral(tempdir=str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield instance


@pytest.fixture
def dagster(_dagster_instance: "DagsterInstance", tmp_path: Path, request: pytest.FixtureRequest) -> "Probe":
    """Dagster, son journal vide et ses assets dans un dossier qui ne sert qu'à ce test."""
    from atelier.dagster.probe import Probe

    def saw(record: "RunRecord") -> None:
        request.config.stash[REPORTER].saw_run(request.node.nodeid, None, record.error)
        for error in record.errors.values():
            if isinstance(error, NotImplementedError | ModuleNotFoundError):
                raise error  # un TODO, ou un paquet qui manque : le dire vaut mieux que ce qui s'ensuit

    _dagster_instance.wipe()  # refaire une instance coûterait plus que tout le test
    return Probe(_dagster_instance, tmp_path / "storage", saw)


def _needs_dagster(item: pytest.Item) -> bool:
    """Les autres katas ont leurs propres explications, même si un processus préchauffé a déjà importé Dagster."""
    return SOURCE in item.stash and "dagster" in sys.modules and "dagster" in getattr(item, "fixturenames", ())


@contextmanager
def _errors_in_french(item: pytest.Item) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not _needs_dagster(item) or isinstance(error, StudentMistake | AssertionError):
            raise
        from atelier.dagster.errors import explanation

        if known := explanation(error):
            raise StudentMistake(*known) from error
        raise
