"""`make up` à côté des serveurs des autres : conteneurs, autre atelier, autre version, serveur privé des katas."""

import os
import time
from pathlib import Path

import pytest

from atelier.machine import processes
from atelier.prefect import server as prefect_server
from atelier.prefect.settings import PREFECT
from atelier.stack import lifecycle
from tests.helpers.fake_services import FAKE, NAMES, Atelier, atelier, fake_stack, heads, home
from tests.helpers.katas import ROOT

__all__ = ["atelier", "home"]


def test_private_server_gives_way(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Le serveur privé des katas se voit dans `status`, et s'arrête quand l'atelier entier est là."""
    server = FAKE.replace('os.environ[f"ATELIER_{name.upper()}_PORT"]', 'sys.argv[sys.argv.index("--port") + 1]')
    monkeypatch.setattr(prefect_server, "COMMAND", ("-c", server))
    url = prefect_server.ensure_server().url
    _, status = atelier("status")
    atelier("up")

    assert f"les katas ont leur serveur Prefect : {url.removesuffix('/api')}" in status
    assert [] == processes.members([prefect_server.NAME])
    assert not prefect_server.ensure_server().private


def test_servers_of_another_program_are_used(atelier: Atelier, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Un autre atelier tient déjà les ports : on s'en sert, on le dit, et `down` n'y touche pas."""
    atelier("up")
    other, before = tmp_path / "other", heads()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("ATELIER_HOME", str(other))
        code, output = atelier("up")
        down = atelier("down")

    assert (0, 4) == (code, output.count("en marche, lancé par un autre programme")), output
    assert ((0, "Rien à arrêter.\n"), before) == (down, heads())


def test_containers_are_waited_for(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dans le dev container, `up` attend les serveurs d'à côté, et n'en lance pas d'autres."""
    monkeypatch.setenv("ATELIER_SIDECARS", "prefect, mlflow")
    for name in ("mlflow", "prefect"):
        processes.start(f"container-{name}", ["-c", FAKE, name], {**os.environ, "FAKE_DELAY": "1"}, ROOT)
    code, output = atelier("up")
    processes.stop(["container-mlflow", "container-prefect"])

    assert (0, 2) == (code, output.count("en marche, dans son conteneur")), output
    assert [] == processes.members(NAMES)


def test_silent_container_is_said(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un conteneur éteint ne se remplace pas d'ici : on dit où aller."""
    monkeypatch.setenv("ATELIER_SIDECARS", "mlflow,prefect")
    monkeypatch.setattr(lifecycle, "CONTAINER_SECONDS", 0.5)
    code, output = atelier("up")

    assert (1, []) == (code, processes.members(NAMES)), output
    assert "MLflow, dans son conteneur, ne répond pas" in output
    assert "Rebuild Container" in output
    assert "ne répond pas encore, dans son conteneur" in atelier("status")[1]


def test_given_address_that_does_not_answer_is_said(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Une variable oubliée désigne un serveur éteint : laquelle, tout de suite, et rien n'a été lancé."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1029")
    code, output = atelier("up")

    assert (1, []) == (code, processes.members(NAMES))
    assert "MLflow, à l'adresse de MLFLOW_TRACKING_URI, ne répond pas." in output
    assert "enlevez MLFLOW_TRACKING_URI de l'environnement" in output


def test_worker_never_joins_the_server_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """PREFECT_API_URL désigne un autre serveur : notre worker n'irait pas y prendre les runs des autres."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1029/api")

    assert ["mlflow", "prefect", "dagster"] == fake_stack().default_names()


def test_prefect_of_another_version_is_a_stranger(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un Prefect d'une autre version tient le port : ce n'est pas le nôtre, et on ne s'en sert pas."""
    with monkeypatch.context() as old:
        old.setenv("FAKE_PREFECT", "2.20.1")
        process = processes.start("other", ["-c", FAKE, "prefect"], os.environ, ROOT)
        while not prefect_server.is_ready(PREFECT.local):
            assert processes.is_alive(process)
            time.sleep(0.05)
    code, output = atelier("up")
    processes.stop(["other"])

    assert (1, True) == (code, "celui de Prefect, est pris par" in output), output
