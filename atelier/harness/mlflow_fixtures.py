"""Les fixtures MLflow des katas : où écrire, une expérience par lancement, rien qui déborde d'un test sur l'autre.

Un second plugin pytest, à côté de `plugin.py`. Rien de lourd ne s'importe ici : la plupart des katas n'ont que faire de
MLflow.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from atelier.harness.outages import OUTAGES, WatchedServer
from atelier.harness.tools import needs_mlflow, prepare, repair_of
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
LAST_EXPERIMENT = pytest.StashKey["Experiment"]()


def pytest_configure(config: pytest.Config) -> None:
    """Met MLflow à l'abri des réglages de l'utilisateur, avant le premier import."""
    prepare(prepare_environment)
    for message in UNHELPFUL_WARNINGS:
        config.addinivalue_line("filterwarnings", f"ignore:{message}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Refuse un run laissé ouvert, si le test n'a rien d'autre à dire."""
    result = yield
    if needs_mlflow(item):
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
        request.config.stash[OUTAGES].watch(
            WatchedServer(
                "MLflow", store.uri, partial(still_answers, store), needs_mlflow, partial(repair_of, "mlflow")
            )
        )
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
    if not needs_mlflow(request.node):
        yield
        return
    store = request.getfixturevalue("mlflow_store")
    from atelier.mlflow.probe import clean_mlflow

    with clean_mlflow(store):
        yield
