"""`make up`, `down`, `status` : ce que voit l'étudiant quand tout va bien.

De faux services tiennent la place des vrais (`tests/helpers/fake_services.py`) ; `tests/embedded/` refait l'essentiel
avec les vrais.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atelier.machine import processes
from atelier.stack import lifecycle, services
from atelier.stack.service import Service
from tests.helpers.fake_services import NAMES, Atelier, atelier, heads, home, kill
from tests.helpers.katas import ROOT
from tests.helpers.ports import free_port

__all__ = ["atelier", "home"]


UP = """\
from atelier import __main__ as command
from tests.helpers.fake_services import fake_stack

raise SystemExit(command.main(["up"], fake_stack()))
"""


def test_up_starts_everything_and_says_where(atelier: Atelier) -> None:
    """Les quatre services démarrent ; leurs adresses s'affichent, puis le premier pas."""
    code, output = atelier("up")

    assert (0, True) == (code, all(heads().values())), output
    assert [] == [service for service in services.SERVICES if lifecycle.shown_address(service) not in output]
    assert output.rstrip().endswith("puis lisez katas/00_tasks_flows/README.md.")


def test_second_up_changes_nothing(atelier: Atelier) -> None:
    """Une seconde fois, rien ne redémarre, et cela se voit."""
    atelier("up")
    before = heads()
    code, output = atelier("up")

    assert (0, before, 4) == (code, heads(), output.count("en marche")), output
    assert "Démarrage" not in output


@pytest.mark.parametrize("service", services.SERVICES, ids=lambda service: service.name)
def test_up_starts_only_what_is_missing(atelier: Atelier, service: Service) -> None:
    """Un service tué redémarre seul ; les autres n'ont rien senti."""
    atelier("up")
    before = heads()
    kill(service.name)
    code, output = atelier("up")
    after = heads()

    assert (0, {service.name}) == (code, {each for each in NAMES if before[each] != after[each]}), output
    assert f"Démarrage : {service.title} (" in output


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="on ne suspend pas un processus sous Windows")
def test_suspended_service_is_replaced(atelier: Atelier) -> None:
    """Un service figé se voit dans `status`, et `up` le remplace sans attendre."""
    atelier("up")
    process = heads()["dagster"]
    assert process
    process.suspend()
    while not processes.is_suspended(process):
        time.sleep(0.01)
    _, status = atelier("status")
    code, _ = atelier("up")

    assert ("en panne (suspendu)" in status, "Pour réparer : make up" in status) == (True, True), status
    assert (0, False) == (code, processes.is_alive(process))


def test_changed_settings_restart_the_service(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un port changé dans `.env` vaut au prochain `make up`, pour les services qu'il concerne."""
    atelier("up")
    before = heads()
    monkeypatch.setenv("ATELIER_DAGSTER_PORT", str(free_port()))
    _, status = atelier("status")
    atelier("up")
    after = heads()

    assert "à relancer (les réglages ou les paquets ont changé)" in status
    assert {"dagster"} == {name for name in NAMES if before[name] != after[name]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows n'envoie pas de SIGINT à un seul processus")
def test_ctrl_c_leaves_nothing(home: Path) -> None:
    """Ctrl-C pendant `make up` : ce qui démarrait s'arrête."""
    # Lancé en arrière-plan, un script ignore Ctrl-C, et ses enfants avec lui : ceux-ci l'écoutent.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    script = f"{listen}\n{UP}"
    environment = {**os.environ, "FAKE_SLOW": "dagster"}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as up:
        assert up.stdout
        seen = "".join(next(up.stdout) for _ in range(4))  # les trois autres sont prêts
        up.send_signal(signal.SIGINT)
        output = seen + up.communicate(timeout=30)[0]

    assert (130, []) == (up.returncode, processes.members(NAMES)), output
    assert output.endswith("Interrompu.\n")


def test_two_ups_at_once_start_one_stack(home: Path) -> None:
    """Deux terminaux, deux `make up` : un seul atelier, deux succès."""
    script = UP
    runs = [
        subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=60)[0] for run in runs]

    assert [0, 0] == [run.returncode for run in runs], outputs
    assert [False, True] == sorted("Démarrage" in output for output in outputs)


def test_one_service_may_be_asked_for(atelier: Atelier) -> None:
    """`up worker` suffit à qui manque de mémoire ; Prefect, dont il a besoin, vient avec lui."""
    code, output = atelier("up", "worker")

    assert (0, {"prefect", "worker"}) == (code, {name for name, head in heads().items() if head}), output


@pytest.mark.parametrize("arguments", [(), ("help",), ("run",), ("down", "mlflow"), ("--help",)])
def test_usage_is_shown(atelier: Atelier, arguments: tuple[str, ...]) -> None:
    """Une commande mal tapée montre les commandes, en français."""
    code, output = atelier(*arguments)

    assert (0 if "--help" in arguments else 2, True) == (code, "démarrer ce qui ne tourne pas encore" in output)


@pytest.mark.parametrize("command_name", ["up", "run"])
def test_unknown_service_is_said(atelier: Atelier, command_name: str) -> None:
    """Un service qui n'existe pas : une phrase, et ceux qui existent."""
    code, output = atelier(command_name, "airflow")

    expected = "« airflow » n'est pas un service. Ceux de l'atelier : mlflow, prefect, worker, dagster.\n"
    assert (2, expected) == (code, output)


def test_down_stops_everything(atelier: Atelier) -> None:
    """Plus aucun processus, et une seconde fois il n'y a rien à faire."""
    atelier("up")

    assert (0, "Tout est arrêté.\n") == atelier("down")
    assert (0, "Rien à arrêter.\n") == atelier("down")
    assert [] == processes.members(NAMES)


def test_status_of_a_stopped_stack(atelier: Atelier) -> None:
    """Rien ne tourne : chaque service le dit, puis la commande à taper."""
    code, output = atelier("status")

    assert (0, 4) == (code, output.count("arrêté"))
    assert output.rstrip().endswith("make up")
