"""`make up` quand tout va mal : le port pris, le service qui meurt ou se tait, le dossier refusé."""

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from atelier.machine import processes
from atelier.stack import lifecycle
from tests.helpers.fake_services import NAMES, Atelier, atelier, heads, home, kill

__all__ = ["atelier", "home"]


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Un programme qui n'est pas à nous tient le port de MLflow."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("ATELIER_MLFLOW_PORT", str(taken.getsockname()[1]))
        yield taken.getsockname()[1]


def test_taken_port_is_said_before_anything_starts(atelier: Atelier, stranger: int) -> None:
    """Un port pris : par qui, quel autre prendre, où l'écrire ; et rien n'a été lancé."""
    code, output = atelier("up")

    assert (1, [None] * 4) == (code, list(heads().values())), output
    assert f"Le port {stranger}, celui de MLflow, est pris par « " in output
    assert f"(processus {os.getpid()})" in output
    assert re.search(r"ou écrivez ATELIER_MLFLOW_PORT=\d+ dans \.env, puis : make up", output)
    assert "son port est pris par un autre programme" in atelier("status")[1]


def test_same_port_twice_is_said(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deux services au même port : une faute dans `.env`, pas un programme qui gêne."""
    monkeypatch.setenv("ATELIER_DAGSTER_PORT", os.environ["ATELIER_MLFLOW_PORT"])
    code, output = atelier("up")

    assert (1, True) == (code, "ATELIER_MLFLOW_PORT et ATELIER_DAGSTER_PORT donnent le même port" in output)


@pytest.mark.parametrize("command_name", ["up", "status"])
def test_impossible_port_is_said(atelier: Atelier, monkeypatch: pytest.MonkeyPatch, command_name: str) -> None:
    """Une faute de frappe dans un port : une phrase, pas une trace."""
    monkeypatch.setenv("ATELIER_DAGSTER_PORT", "300O")
    code, output = atelier(command_name)

    assert (1, True) == (code, "ATELIER_DAGSTER_PORT vaut « 300O »" in output)
    assert 0 == atelier("down")[0]


def test_dead_child_is_explained_and_nothing_is_left(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un service qui meurt en démarrant : sa dernière erreur, son journal, et plus aucun processus."""
    monkeypatch.setenv("FAKE_DEAD", "dagster")
    code, output = atelier("up")

    assert (1, []) == (code, processes.members(NAMES)), output
    assert "Dagster s'est arrêté en démarrant : OSError: la base est illisible." in output
    assert "dagster.log" in output


def test_failure_spares_what_was_running(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ce qui tournait avant un échec tourne encore après."""
    atelier("up")
    before = heads()
    kill("mlflow")
    monkeypatch.setenv("FAKE_DEAD", "mlflow")
    code, _ = atelier("up")

    assert (1, before | {"mlflow": None}) == (code, heads())


def test_silent_service_is_given_up(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un service qui ne répond jamais : on le dit, on n'attend pas toujours, rien ne reste."""
    monkeypatch.setenv("FAKE_SLOW", "mlflow")
    monkeypatch.setattr(lifecycle, "START_SECONDS", 2)
    code, output = atelier("up")

    assert (1, True) == (code, "MLflow ne répond pas au bout de 2 secondes." in output), output
    assert [] == processes.members(NAMES)


def test_read_only_folder_is_said(atelier: Atelier, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un dossier d'état impossible à créer : une phrase et une commande, pas une trace."""
    (home / "file").touch()
    with monkeypatch.context() as wrong:
        wrong.setenv("ATELIER_HOME", str(home / "file" / "state"))
        code, output = atelier("up")

    assert (1, True, True) == (code, "Le système refuse : " in output, "make doctor" in output), output
