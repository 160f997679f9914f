"""L'atelier entier, sans Docker : lancer ce qui manque, attendre que tout serve, dire ce qui cloche, tout arrêter."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from atelier.machine import addresses, ports, processes
from atelier.machine.errors import REBUILD, EnvironmentProblem
from atelier.machine.paths import ROOT, shown, state_dir
from atelier.prefect import server as prefect_server
from atelier.stack import health, services

if TYPE_CHECKING:
    import psutil

NAMES = tuple(services.PLANS)
TITLES = {"mlflow": "MLflow", "prefect": "Prefect", "worker": "Worker", "dagster": "Dagster"}
PORTS = {"mlflow": "ATELIER_MLFLOW_PORT", "prefect": "ATELIER_PREFECT_PORT", "dagster": "ATELIER_DAGSTER_PORT"}
RUN = ("-m", "atelier", "run")
START_SECONDS = 180  # le pire d'un portable chargé ; d'ordinaire, une demi-minute
CONTAINER_SECONDS = 60
# Un worker arrête d'abord les runs en cours, qui le disent au serveur : il passe avant lui.
STOP_SECONDS = {"worker": 3.0, "others": 5.0}
# Sur une machine chargée, un serveur sain met parfois plusieurs secondes à répondre.
PATIENCE_SECONDS = 10.0
CONTAINER_REPAIR = f"{REBUILD} ; sans VS Code, hors du conteneur : docker compose up -d"


class State(Enum):
    """Où en est un service."""

    STOPPED = "arrêté"
    STARTING = "démarre"
    READY = "en marche"
    SICK = "malade"
    OUTDATED = "à relancer"


@dataclass(frozen=True)
class Status:
    """Un service à un instant : son état, son processus s'il est à nous, ce qu'il y a à en dire."""

    name: str
    state: State
    process: "psutil.Process | None" = None
    note: str = ""


def observe(names: Iterable[str]) -> list[Status]:
    """L'état de ces services. Ils sont interrogés tous à la fois."""
    names = list(names)
    found = processes.families(names)
    with ThreadPoolExecutor(len(NAMES)) as pool:
        return list(pool.map(lambda name: _observe(name, found[name]), names))


def up(names: Sequence[str], tell: Callable[[Status], None], announce: Callable[[list[str]], None]) -> None:
    """Fait tourner ces services : `announce` reçoit ceux qu'il faut lancer, `tell` chacun dès qu'il sert.

    Sans nom, tous. Ce qui sert déjà reste tel quel. Lève `EnvironmentProblem` si l'un ne démarre pas : ceux que cet
    appel a lancés sont alors arrêtés.
    """
    names = _with_dependencies(names or default_names())
    with _one_at_a_time():
        statuses = observe(names)
        for status in statuses:
            if status.state is State.READY:
                tell(status)
        missing = [status.name for status in statuses if status.state in (State.STOPPED, State.SICK, State.OUTDATED)]
        others = [name for name in missing if elsewhere(name)]
        _wait(dict.fromkeys(others), tell, CONTAINER_SECONDS if sidecars() else 0)
        starting = {status.name: status.process for status in statuses if status.state is State.STARTING}
        _launch([name for name in missing if name not in others], starting, tell, announce)
        if "prefect" in names:
            prefect_server.stop_server()  # le serveur privé des katas n'a plus de raison d'être


def down() -> bool:
    """Arrête tout ce que l'atelier a lancé ici, le serveur privé des katas compris ; dit s'il y avait quelque chose."""
    others = [*(name for name in NAMES if name != "worker"), prefect_server.NAME]
    stopped = processes.stop(["worker"], STOP_SECONDS["worker"])
    stopped |= processes.stop(others, STOP_SECONDS["others"])
    prefect_server.forget()
    if survivors := processes.members([*NAMES, prefect_server.NAME]):
        numbers = ", ".join(str(process.pid) for process in survivors)
        raise EnvironmentProblem(f"ces processus ne s'arrêtent pas : {numbers}", "redémarrez la machine")
    return stopped


def address(name: str) -> str:
    """Où répond ce service, pour le navigateur de l'étudiant."""
    urls = {"mlflow": addresses.mlflow_url, "prefect": addresses.prefect_api_url, "dagster": addresses.dagster_url}
    return services.POOL if name == "worker" else addresses.browser_url(urls[name]())


def elsewhere(name: str) -> str:
    """Qui s'occupe de ce service, si ce n'est pas à nous de le lancer : son conteneur, ou une adresse donnée."""
    if name in sidecars():
        return "dans son conteneur"
    if name == "mlflow" and not _is_local(addresses.mlflow_url(), addresses.local_mlflow_url()):
        return "à l'adresse de MLFLOW_TRACKING_URI"
    if name in ("prefect", "worker") and not _is_local(addresses.prefect_api_url(), addresses.local_prefect_api_url()):
        return "à l'adresse de PREFECT_API_URL"
    return ""


def elsewhere_repair(name: str) -> str:
    """Que faire quand un service dont quelqu'un d'autre s'occupe ne répond pas."""
    place = elsewhere(name)
    if name in sidecars():
        return CONTAINER_REPAIR
    return f"démarrez ce serveur, ou enlevez {place.split()[-1]} de l'environnement"


def default_names() -> list[str]:
    """Les services de cet atelier : les quatre, ou ceux qu'ont choisis les conteneurs."""
    # Le worker d'un serveur qui n'est pas d'ici ne trouverait pas les fichiers des autres.
    return sidecars() or [name for name in NAMES if not (name == "worker" and elsewhere("prefect"))]


def _observe(name: str, family: processes.Family) -> Status:
    process = family.head
    if process is None:
        return _observe_others(name, family)
    if any(map(processes.is_suspended, family.members)):
        return Status(name, State.SICK, process, "suspendu")
    if not processes.has_fingerprint(process, services.fingerprint(name)):
        return Status(name, State.OUTDATED, process, "les réglages ou les paquets ont changé")
    young = time.time() - process.create_time() < START_SECONDS
    if answer := health.ask(name, 2.0 if young else PATIENCE_SECONDS, process.create_time()):
        return Status(name, State.READY, process, answer.note)
    waits = name == "worker" and not health.ask("prefect")
    if young or waits:
        return Status(name, State.STARTING, process, "attend Prefect" if waits else "")
    return Status(name, State.SICK, process, f"ne répond pas ; son journal : {shown(processes.log_file(name))}")


def _observe_others(name: str, orphans: processes.Family) -> Status:
    if orphans.members:
        return Status(name, State.SICK, note="son processus principal est mort")
    place = elsewhere(name)
    if answer := health.ask(name):
        return Status(name, State.READY, note=answer.note)
    taken = name in PORTS and not place and ports.is_taken(addresses.port(PORTS[name]))
    return Status(name, State.STOPPED, note="son port est pris par un autre programme" if taken else "")


def _launch(
    names: list[str],
    starting: "dict[str, psutil.Process | None]",
    tell: Callable[[Status], None],
    announce: Callable[[list[str]], None],
) -> None:
    processes.stop(names)  # les malades, et les enfants qu'un mort a laissés
    for name in names:
        check_port(name)
    announce(names)
    with _nothing_left_behind(names):
        _wait(starting | {name: _start(name) for name in names}, tell, START_SECONDS)


def _start(name: str) -> "psutil.Process":
    try:
        return processes.start(name, [*RUN, name], os.environ, ROOT, services.fingerprint(name))
    except OSError as error:
        raise EnvironmentProblem(f"{TITLES[name]} ne se lance pas : {error}", "make doctor") from error


def _wait(waiting: "dict[str, psutil.Process | None]", tell: Callable[[Status], None], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while waiting:
        for name, process in list(waiting.items()):
            if process and not processes.is_alive(process):
                raise _problem(name, f"s'est arrêté en démarrant : {processes.last_log_line(name)}")
            if answer := health.ask(name, since=process.create_time() if process else None):
                tell(Status(name, State.READY, process, answer.note))
                del waiting[name]
        if waiting and time.monotonic() > deadline:
            name = next(iter(waiting))
            raise _problem(name, f"ne répond pas{f' au bout de {seconds:.0f} secondes' if seconds else ''}")
        time.sleep(0.1)


def _problem(name: str, what: str) -> EnvironmentProblem:
    place = elsewhere(name)
    log = shown(processes.log_file(name))
    repair = elsewhere_repair(name) if place else f"make doctor, puis make up (journal complet : {log})"
    return EnvironmentProblem(f"{TITLES[name]}{f', {place},' if place else ''} {what}", repair)


def check_port(name: str) -> None:
    """Lève `EnvironmentProblem` si ce service, arrêté, ne pourrait pas écouter sur son port."""
    if name not in PORTS:
        return
    setting = PORTS[name]
    number = addresses.port(setting)
    twin = next((other for other in PORTS.values() if other != setting and addresses.port(other) == number), None)
    if twin:
        raise EnvironmentProblem(f"{setting} et {twin} donnent le même port, {number}", "corrigez-les dans .env")
    if ports.is_taken(number):
        who = ports.holder(number) or "un autre programme"
        other = ports.free_port_after(number)
        raise EnvironmentProblem(
            f"le port {number}, celui de {TITLES[name]}, est pris par {who}",
            f"arrêtez ce programme, ou écrivez {setting}={other} dans .env, puis : make up",
        )


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(state_dir() / "stack.lock", timeout=START_SECONDS):
            yield
    except Timeout as error:
        raise EnvironmentProblem("un autre « make up » ne finit pas", "make down && make up") from error


@contextmanager
def _nothing_left_behind(names: list[str]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        processes.stop(names)
        raise


def _with_dependencies(names: Sequence[str]) -> list[str]:
    wanted = {*names, *(["prefect"] if "worker" in names else [])}
    return [name for name in NAMES if name in wanted]


def sidecars() -> list[str]:
    """Les services dont des conteneurs s'occupent."""
    named = os.environ.get("ATELIER_SIDECARS", "").split(",")
    return [name for name in NAMES if name in {item.strip() for item in named}]


def _is_local(url: str, local: str) -> bool:
    given = urlsplit(url)
    return given.hostname in addresses.LOOPBACK and given.port == urlsplit(local).port
