"""Un service se déclare une fois : un jouet, ajouté ici, est lancé, surveillé, raconté et arrêté comme les vrais."""

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from atelier import __main__ as command
from atelier.machine import processes
from atelier.stack.lifecycle import Stack
from tests.helpers.katas import ROOT, wait_until
from tests.helpers.ports import free_port
from tests.helpers.toy_services import PORTS, toy_stack

RUN_KITE = """\
from pathlib import Path

from tests.helpers.toy_services import toy_stack

stack = toy_stack(Path({folder!r}))
stack.run(stack.services["kite"])
"""
Atelier = Callable[..., tuple[int, str]]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Deux services déclarés ici ; l'un a besoin de l'autre, et vient avant lui dans la liste."""
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path))
    monkeypatch.setenv("ATELIER_WARM", "0")
    monkeypatch.setenv("ATELIER_SIDECARS", "")
    for setting in PORTS.values():
        monkeypatch.setenv(setting, str(free_port()))
    stack = toy_stack(tmp_path)
    yield stack
    stack.down()


@pytest.fixture
def atelier(stack: Stack, capsys: pytest.CaptureFixture[str]) -> Atelier:
    """Joue une commande sur ces deux services ; rend le code de retour et ce qui s'affiche."""

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = command.main(arguments, stack)
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return run


def _story(tmp_path: Path) -> list[str]:
    return (tmp_path / "story.txt").read_text(encoding="utf-8").splitlines()


def test_declared_service_is_started_in_order_and_reported(atelier: Atelier, stack: Stack, tmp_path: Path) -> None:
    """`up` lance les deux, celui dont l'autre a besoin d'abord, et dit où ils répondent ; `status` aussi."""
    code, up = atelier("up")
    _, status = atelier("status")

    assert (0, ["toy démarre", "kite démarre"]) == (code, _story(tmp_path)), up
    for service in stack.services.values():
        assert service.address
        assert re.search(rf"{service.title} +{service.address.local} +prêt en \d+ s", up)
        assert re.search(rf"{service.title} +{service.address.local} +en marche", status)


def test_declared_service_is_watched(atelier: Atelier) -> None:
    """Tué, il se voit dans `status` et dans `doctor`, et `up` ne relance que lui."""
    atelier("up")
    head = processes.families(["toy"])["toy"].head
    assert head
    head.kill()
    head.wait()
    _, status = atelier("status")
    _, doctor = atelier("doctor")
    _, up = atelier("up")

    assert re.search(r"Jouet .* arrêté", status)
    assert "Jouet : arrêté (make up le démarre)" in doctor
    assert "Cerf-volant : en marche" in doctor
    assert "Démarrage : Jouet (" in up


def test_declared_service_is_stopped_in_order(atelier: Atelier, tmp_path: Path) -> None:
    """`down` arrête d'abord celui qui a besoin de l'autre ; plus rien ne vit."""
    atelier("up")
    code, output = atelier("down")

    assert (0, "Tout est arrêté.\n") == (code, output)
    assert ["kite s'arrête", "toy s'arrête"] == _story(tmp_path)[2:]
    assert [] == processes.members(["kite", "toy"])


def test_outdated_services_are_stopped_in_order(
    atelier: Atelier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relancés ensemble, celui qui a besoin de l'autre s'arrête d'abord : il peut encore le lui dire."""
    atelier("up")
    for setting in PORTS.values():
        monkeypatch.setenv(setting, str(free_port()))
    code, output = atelier("up")

    assert (0, "Démarrage : Cerf-volant, Jouet" in output) == (code, True), output
    assert ["kite s'arrête", "toy s'arrête", "toy démarre", "kite démarre"] == _story(tmp_path)[2:]


def test_needs_are_followed_all_the_way(stack: Stack) -> None:
    """Ce dont a besoin ce dont on a besoin vient aussi, et d'abord."""
    kite = stack.services["kite"]
    tail = replace(kite, name="tail", needs=("kite",))
    longer = Stack([tail, *stack.services.values()])

    assert ["tail", "kite", "toy"] == longer.with_needs(["tail"])


def test_asking_for_one_brings_what_it_needs(atelier: Atelier, stack: Stack) -> None:
    """`up kite` lance aussi `toy` ; `up toy` n'aurait lancé que lui."""
    alone, _ = atelier("up", "toy")
    only_toy = bool(processes.members(["toy"])), bool(processes.members(["kite"]))
    both, _ = atelier("up", "kite")

    assert (0, (True, False), 0) == (alone, only_toy, both)
    assert processes.members(["kite"])


def test_declared_service_runs_in_the_foreground(stack: Stack, tmp_path: Path) -> None:
    """`run` attend ce dont il a besoin, puis devient le service : c'est ce que fait son conteneur."""
    toy, kite = stack.services["toy"], stack.services["kite"]
    assert toy.address
    with socket.create_server(("127.0.0.1", toy.address.port)) as silent:
        process = subprocess.Popen([sys.executable, "-c", RUN_KITE.format(folder=str(tmp_path))], cwd=ROOT)
        silent.accept()[0].close()  # il a demandé si le jouet servait : il attend
    stack.up(["toy"], lambda status: None, lambda services: None)
    wait_until(lambda: kite.answer() is not None)
    process.terminate()

    assert 0 == process.wait()
    assert ["toy démarre", "kite démarre", "kite s'arrête"] == _story(tmp_path)
