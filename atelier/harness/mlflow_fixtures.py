"""Les fixtures MLflow des katas : où écrire, une expérience par lancement, rien qui déborde d'un test sur l'autre.

Un second plugin pytest, à côté de `plugin.py`. Rien de lourd ne s'importe ici : la plupart des katas n'ont que faire de
MLflow.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from atelier.feedback.report import SOURCE
from atelier.machine.errors import EnvironmentProblem
from atelier.mlflow.settings import prepare_environment
from atelier.mlflow.store import (
    UNHELPFUL_WARNINGS,
    Store,
    connected,
    new_store,
    running_server,
    runs_url,
    still_answers,
)
from atelier.sandbox.loader import explain_missing_package

if TYPE_CHECKING:
    from atelier.mlflow.probe import Experiment

STORE = pytest.StashKey[Store]()
OUTAGE = pytest.StashKey[EnvironmentProblem]()
LAST_EXPERIMENT = pytest.StashKey["Experiment"]()


def pytest_configure(config: pytest.Config) -> None:
    """Met MLflow à l'abri des réglages de l'utilisateur, avant le premier import."""
    prepare_environment()
    for message in UNHELPFUL_WARNINGS:
        config.addinivalue_line("filterwarnings", f"ignore:{message}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Après la panne du serveur MLflow, les tests suivants le disent aussitôt."""
    if _needs_mlflow(item) and (outage := item.config.stash.get(OUTAGE, None)):
        raise outage
    with _outages_recognized(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Refuse un run laissé ouvert, si le test n'a rien d'autre à dire."""
    with _outages_recognized(item):
        result = yield
    if _needs_mlflow(item):
        from atelier.mlflow.probe import refuse_open_runs

        refuse_open_runs()
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Dit où voir les runs des tests, s'il y a une interface."""
    experiment = config.stash.get(LAST_EXPERIMENT, None)
    if experiment and config.stash[STORE].has_interface:
        terminalreporter.line(f"et dans MLflow : {runs_url(config.stash[STORE], experiment.id)}")


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Store]:
    """Où MLflow écrit pendant les tests : le serveur qui répond, sinon une base neuve, et MLflow branché dessus."""
    with ExitStack() as stack:
        try:
            store = running_server() or new_store(tmp_path_factory.mktemp("mlflow"))
            stack.enter_context(connected(store))
        except ModuleNotFoundError as error:
            raise explain_missing_package(error) from error
        request.config.stash[STORE] = store
        yield store


@pytest.fixture(scope="module")
def _kata_experiment(mlflow_store: Store, request: pytest.FixtureRequest) -> "Experiment":
    from atelier.mlflow.probe import new_experiment

    return new_experiment(request.path.parent.name)


@pytest.fixture
def experiment(_kata_experiment: "Experiment", request: pytest.FixtureRequest) -> "Experiment":
    """L'expérience où le test fait écrire le kata ; `experiment.runs()` n'y voit que les runs de ce test."""
    request.config.stash[LAST_EXPERIMENT] = _kata_experiment
    return replace(_kata_experiment, since=time.time_ns() // 1_000_000)


@pytest.fixture(autouse=True)
def _clean_mlflow(request: pytest.FixtureRequest) -> Iterator[None]:
    if not _needs_mlflow(request.node):
        yield
        return
    store = request.getfixturevalue("mlflow_store")
    from atelier.mlflow.probe import clean_mlflow

    with clean_mlflow(store):
        yield


def _needs_mlflow(item: pytest.Item) -> bool:
    source = item.stash.get(SOURCE, None)
    by_name = source is not None and source.module.startswith("mlflow_")
    return by_name or "mlflow_store" in getattr(item, "fixturenames", ())


@contextmanager
def _outages_recognized(item: pytest.Item) -> Iterator[None]:
    """Un serveur mort pendant un test se reconnaît à ce qu'il ne répond plus, quoi que le test ait vu."""
    try:
        yield
    except Exception as error:
        store = item.config.stash.get(STORE, None)
        if not _needs_mlflow(item) or store is None or still_answers(store):
            raise
        item.config.stash[OUTAGE] = EnvironmentProblem(
            f"le serveur MLflow ne répond plus ({store.uri})", "make down && make up, puis relancez pytest"
        )
        raise item.config.stash[OUTAGE] from error
