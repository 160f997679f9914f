"""`make up`, `down`, `status` : ce que voit l'étudiant quand tout va bien, et quand tout va mal.

De faux services tiennent la place des vrais (`tests/helpers/fake_services.py`) ; `test_embedded.py` refait l'essentiel
avec les vrais.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from atelier import __main__ as command
from atelier.machine import processes
from atelier.machine.packages import installed_version
from atelier.prefect import server as prefect_server
from atelier.prefect.settings import PREFECT
from atelier.stack import lifecycle, services
from atelier.stack.service import Service
from tests.helpers.fake_services import FAKE, fake_stack
from tests.helpers.katas import ROOT, free_port

UP = """\
from atelier import __main__ as command
from tests.helpers.fake_services import fake_stack

raise SystemExit(command.main(["up"], fake_stack()))
"""
NAMES = [service.name for service in services.SERVICES]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Un atelier à part : son dossier, ses ports, et de faux services."""
    for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "ATELIER_SIDECARS", "CODESPACE_NAME"):
        monkeypatch.setenv(variable, "")
    for service in services.SERVICES:
        if service.address:
            monkeypatch.setenv(service.address.port_setting, str(free_port()))
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path))
    monkeypatch.setenv("ATELIER_WARM", "0")
    monkeypatch.setenv("FAKE_WORKER", services.worker_name())
    monkeypatch.setenv("FAKE_PREFECT", installed_version("prefect"))
    yield tmp_path
    fake_stack().down()


@pytest.fixture
def atelier(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Joue `python -m atelier …` ; rend le code de retour et ce qui s'affiche."""

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = command.main(arguments, fake_stack())
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return run


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Un programme qui n'est pas à nous tient le port de MLflow."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("ATELIER_MLFLOW_PORT", str(taken.getsockname()[1]))
        yield taken.getsockname()[1]


def _heads() -> dict[str, psutil.Process | None]:
    return {name: family.head for name, family in processes.families(NAMES).items()}


def _kill(name: str) -> None:
    process = _heads()[name]
    assert process
    process.kill()
    process.wait()


Atelier = Callable[..., tuple[int, str]]


def test_up_starts_everything_and_says_where(atelier: Atelier) -> None:
    """Les quatre services démarrent ; leurs adresses s'affichent, puis le premier pas."""
    code, output = atelier("up")

    assert (0, True) == (code, all(_heads().values())), output
    assert [] == [service for service in services.SERVICES if lifecycle.shown_address(service) not in output]
    assert output.rstrip().endswith("puis lisez katas/00_tasks_flows/README.md.")


def test_second_up_changes_nothing(atelier: Atelier) -> None:
    """Une seconde fois, rien ne redémarre, et cela se voit."""
    atelier("up")
    before = _heads()
    code, output = atelier("up")

    assert (0, before, 4) == (code, _heads(), output.count("en marche")), output
    assert "Démarrage" not in output


@pytest.mark.parametrize("service", services.SERVICES, ids=lambda service: service.name)
def test_up_starts_only_what_is_missing(atelier: Atelier, service: Service) -> None:
    """Un service tué redémarre seul ; les autres n'ont rien senti."""
    atelier("up")
    before = _heads()
    _kill(service.name)
    code, output = atelier("up")
    after = _heads()

    assert (0, {service.name}) == (code, {each for each in NAMES if before[each] != after[each]}), output
    assert f"Démarrage : {service.title} (" in output


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="on ne suspend pas un processus sous Windows")
def test_suspended_service_is_replaced(atelier: Atelier) -> None:
    """Un service figé se voit dans `status`, et `up` le remplace sans attendre."""
    atelier("up")
    process = _heads()["dagster"]
    assert process
    process.suspend()
    while not processes.is_suspended(process):
        time.sleep(0.01)
    _, status = atelier("status")
    code, _ = atelier("up")

    assert ("malade (suspendu)" in status, "Pour réparer : make up" in status) == (True, True), status
    assert (0, False) == (code, processes.is_alive(process))


def test_changed_settings_restart_the_service(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un port changé dans `.env` vaut au prochain `make up`, pour les services qu'il concerne."""
    atelier("up")
    before = _heads()
    monkeypatch.setenv("ATELIER_DAGSTER_PORT", str(free_port()))
    _, status = atelier("status")
    atelier("up")
    after = _heads()

    assert "à relancer (les réglages ou les paquets ont changé)" in status
    assert {"dagster"} == {name for name in NAMES if before[name] != after[name]}


def test_taken_port_is_said_before_anything_starts(atelier: Atelier, stranger: int) -> None:
    """Un port pris : par qui, quel autre prendre, où l'écrire ; et rien n'a été lancé."""
    code, output = atelier("up")

    assert (1, [None] * 4) == (code, list(_heads().values())), output
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
    before = _heads()
    _kill("mlflow")
    monkeypatch.setenv("FAKE_DEAD", "mlflow")
    code, _ = atelier("up")

    assert (1, before | {"mlflow": None}) == (code, _heads())


def test_silent_service_is_given_up(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un service qui ne répond jamais : on le dit, on n'attend pas toujours, rien ne reste."""
    monkeypatch.setenv("FAKE_SLOW", "mlflow")
    monkeypatch.setattr(lifecycle, "START_SECONDS", 2)
    code, output = atelier("up")

    assert (1, True) == (code, "MLflow ne répond pas au bout de 2 secondes." in output), output
    assert [] == processes.members(NAMES)


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

    assert (0, {"prefect", "worker"}) == (code, {name for name, head in _heads().items() if head}), output


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


def test_read_only_folder_is_said(atelier: Atelier, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un dossier d'état impossible à créer : une phrase et une commande, pas une trace."""
    (home / "file").touch()
    with monkeypatch.context() as wrong:
        wrong.setenv("ATELIER_HOME", str(home / "file" / "state"))
        code, output = atelier("up")

    assert (1, True, True) == (code, "Le système refuse : " in output, "make doctor" in output), output


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
    other, before = tmp_path / "other", _heads()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("ATELIER_HOME", str(other))
        code, output = atelier("up")
        down = atelier("down")

    assert (0, 4) == (code, output.count("en marche, lancé par un autre programme")), output
    assert ((0, "Rien à arrêter.\n"), before) == (down, _heads())


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
