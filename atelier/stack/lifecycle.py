"""L'atelier entier, sans Docker : lancer ce qui manque, attendre que tout serve, dire ce qui cloche, tout arrêter."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from atelier.machine import ports, processes
from atelier.machine.addresses import browser_url
from atelier.machine.errors import REBUILD, EnvironmentProblem
from atelier.machine.paths import ROOT, shown, state_dir
from atelier.machine.until import until
from atelier.stack.service import Plan, Service

if TYPE_CHECKING:
    import psutil

START_SECONDS = 180  # le pire d'un portable chargé ; d'ordinaire, une demi-minute
CONTAINER_SECONDS = 60
# Sur une machine chargée, un serveur sain met parfois plusieurs secondes à répondre.
PATIENCE_SECONDS = 10.0
CONTAINER_REPAIR = f"{REBUILD} ; sans VS Code, hors du conteneur : docker compose up -d"


class State(Enum):
    """Où en est un service."""

    STOPPED = "arrêté"
    STARTING = "démarre"
    READY = "en marche"
    SICK = "en panne"
    OUTDATED = "à relancer"


@dataclass(frozen=True)
class Status:
    """Un service à un instant : son état, son processus s'il est à nous, ce qu'il y a à en dire."""

    service: Service
    state: State
    process: "psutil.Process | None" = None
    note: str = ""


class Stack:
    """Des services, et ce que l'on en fait ; `environment` rend celui dont chacun hérite, avant ses réglages."""

    def __init__(
        self, services: Iterable[Service], environment: Callable[[], Mapping[str, str]] = lambda: os.environ
    ) -> None:
        self.services = {service.name: service for service in services}
        self._environment = environment

    def observe(self, names: Iterable[str] = ()) -> list[Status]:
        """L'état de ces services, ou de tous ceux de cet atelier. Ils sont interrogés tous à la fois."""
        names = list(names) or self.default_names()
        found = processes.families(names)
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            return list(pool.map(lambda name: self._observe(self.services[name], found[name]), names))

    def up(
        self, names: Sequence[str], tell: Callable[[Status], None], announce: Callable[[list[Service]], None]
    ) -> None:
        """Fait tourner ces services : `announce` reçoit ceux qu'il faut lancer, `tell` chacun dès qu'il sert.

        Sans nom, tous. Ce qui sert déjà reste tel quel. Lève `EnvironmentProblem` si l'un ne démarre pas : ceux que
        cet appel a lancés sont alors arrêtés.
        """
        names = self.with_needs(names or self.default_names())
        with _one_at_a_time():
            statuses = self.observe(names)
            for status in statuses:
                if status.state is State.READY:
                    tell(status)
            absent = (State.STOPPED, State.SICK, State.OUTDATED)
            missing = [status.service for status in statuses if status.state in absent]
            others = [service for service in missing if self.elsewhere(service)]
            self._wait({}, dict.fromkeys(others), tell, CONTAINER_SECONDS if self.sidecars() else 0)
            starting = {status.service: status.process for status in statuses if status.state is State.STARTING}
            self._launch([service for service in missing if service not in others], starting, tell, announce)
            processes.stop(name for status in statuses for name in status.service.replaces)

    def down(self) -> bool:
        """Arrête tout ce que l'atelier a lancé ici ; dit s'il y avait quelque chose.

        Un service s'arrête avant ceux dont il a besoin : un worker arrête ses runs, et le dit au serveur.
        """
        every = list(self.services.values())
        replaced = [name for service in every for name in service.replaces]
        stopped = [self._stop(every), processes.stop(replaced)]
        if survivors := processes.members(_process_names(every)):
            numbers = ", ".join(str(process.pid) for process in survivors)
            raise EnvironmentProblem(f"ces processus ne s'arrêtent pas : {numbers}", "redémarrez la machine")
        return any(stopped)

    def run(self, service: Service) -> int:
        """Devient ce service, au premier plan ; ne revient que là où un processus ne peut pas céder sa place."""
        for need in self._needs(service):
            # Un worker sans serveur à son départ renonce pour toujours aux événements : annulations, runs des tasks.
            if not need.answer():
                print(f"{service.title} attend {need.title} ({shown_address(need)})…", flush=True)
            while not need.answer():
                time.sleep(0.2)
        plan = _prepared(service)
        # Une commande lancée par un script avec `&` ignore SIGINT, et Dagster fait de SIGTERM un SIGINT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        options = processes.marked(service.name, service.fingerprint())
        command = [sys.executable, *options, *plan.arguments]
        environment = self._environment_of(plan) | {processes.VARIABLE: processes.mark(service.name)}
        os.chdir(ROOT)  # les chemins relatifs d'un kata partent de la racine, comme dans un terminal
        if sys.platform != "win32":
            os.execve(sys.executable, command, environment)
        return subprocess.call(command, env=environment)

    def default_names(self) -> list[str]:
        """Les services de cet atelier : tous, ou ceux qu'ont choisis les conteneurs."""
        # Le worker d'un serveur qui n'est pas d'ici ne trouverait pas les fichiers des autres.
        useful = (service for service in self.services.values() if not any(map(self.elsewhere, self._needs(service))))
        return self.sidecars() or [service.name for service in useful]

    def sidecars(self) -> list[str]:
        """Les services dont des conteneurs s'occupent."""
        named = {item.strip() for item in os.environ.get("ATELIER_SIDECARS", "").split(",")}
        return [name for name in self.services if name in named]

    def elsewhere(self, service: Service) -> str:
        """Qui s'occupe de ce service, si ce n'est pas à nous de le lancer : son conteneur, ou une adresse donnée."""
        if service.name in self.sidecars():
            return "dans son conteneur"
        variable = self._elsewhere_variable(service)
        return f"à l'adresse de {variable}" if variable else ""

    def elsewhere_repair(self, service: Service) -> str:
        """Que faire quand un service dont quelqu'un d'autre s'occupe ne répond pas."""
        if service.name in self.sidecars():
            return CONTAINER_REPAIR
        return f"démarrez ce serveur, ou enlevez {self._elsewhere_variable(service)} de l'environnement"

    def check_port(self, service: Service) -> None:
        """Lève `EnvironmentProblem` si ce service, arrêté, ne pourrait pas écouter sur son port."""
        if service.address is None:
            return
        setting, number = service.address.port_setting, service.address.port
        others = [other.address for other in self.services.values() if other.address and other is not service]
        twin = next((other.port_setting for other in others if other.port == number), None)
        if twin:
            raise EnvironmentProblem(f"{setting} et {twin} donnent le même port, {number}", "corrigez-les dans .env")
        if ports.is_taken(number):
            who = ports.holder(number) or "un autre programme"
            other = ports.free_port_after(number)
            raise EnvironmentProblem(
                f"le port {number}, celui de {service.title}, est pris par {who}",
                f"arrêtez ce programme, ou écrivez {setting}={other} dans .env, puis : make up",
            )

    def _elsewhere_variable(self, service: Service) -> str:
        """La variable d'environnement qui désigne un autre serveur, pour ce service ou pour ce dont il a besoin."""
        addresses = (each.address for each in (service, *self._needs(service)))
        return next((address.variable for address in addresses if address and address.is_elsewhere), "")

    def _needs(self, service: Service) -> list[Service]:
        """Ce dont ce service a besoin, de proche en proche."""
        direct = [self.services[name] for name in service.needs]
        return list(dict.fromkeys(each for need in direct for each in (need, *self._needs(need))))

    def _stop(self, services: list[Service]) -> bool:
        """Arrête ces services, chacun avant ceux dont il a besoin ; dit s'il y avait quelque chose."""
        stopped = False
        for depth in sorted({self._depth(service) for service in services}, reverse=True):
            wave = [service for service in services if self._depth(service) == depth]
            seconds = max(service.stop_seconds for service in wave)
            stopped |= processes.stop([service.name for service in wave], seconds)
        return stopped

    def _depth(self, service: Service) -> int:
        return max((1 + self._depth(need) for need in self._needs(service)), default=0)

    def with_needs(self, names: Sequence[str]) -> list[str]:
        """Ces services, et ceux dont ils ont besoin, de proche en proche."""
        wanted = {*names, *(need.name for name in names for need in self._needs(self.services[name]))}
        return [name for name in self.services if name in wanted]

    def _observe(self, service: Service, family: processes.Family) -> Status:
        process = family.head
        if process is None:
            return self._observe_others(service, family)
        if any(map(processes.is_suspended, family.members)):
            return Status(service, State.SICK, process, "suspendu")
        if not processes.has_fingerprint(process, service.fingerprint()):
            return Status(service, State.OUTDATED, process, "les réglages ou les paquets ont changé")
        young = time.time() - process.create_time() < START_SECONDS
        if answer := service.answer(2.0 if young else PATIENCE_SECONDS, process.create_time()):
            return Status(service, State.READY, process, answer.note)
        awaited = next((need for need in self._needs(service) if not need.answer()), None)
        if young or awaited:
            return Status(service, State.STARTING, process, f"attend {awaited.title}" if awaited else "")
        log = shown(processes.log_file(service.name))
        return Status(service, State.SICK, process, f"ne répond pas ; son journal : {log}")

    def _observe_others(self, service: Service, orphans: processes.Family) -> Status:
        if orphans.members:
            return Status(service, State.SICK, note="son processus principal est mort")
        if answer := service.answer():
            return Status(service, State.READY, note=answer.note)
        ours = service.address and not self.elsewhere(service)
        taken = ours and service.address and ports.is_taken(service.address.port)
        return Status(service, State.STOPPED, note="son port est pris par un autre programme" if taken else "")

    def _launch(
        self,
        services: list[Service],
        starting: "dict[Service, psutil.Process | None]",
        tell: Callable[[Status], None],
        announce: Callable[[list[Service]], None],
    ) -> None:
        self._stop(services)  # les malades, et les enfants qu'un mort a laissés
        for service in services:
            self.check_port(service)
        announce(services)
        with _nothing_left_behind([service.name for service in services]):
            self._wait({service.name: service for service in services}, starting, tell, START_SECONDS)

    def _wait(
        self,
        waiting: dict[str, Service],
        started: "dict[Service, psutil.Process | None]",
        tell: Callable[[Status], None],
        seconds: float,
    ) -> None:
        """Lance ceux qui attendent, chacun dès que sert ce dont il a besoin, et attend que tous servent."""
        for _ in until(seconds, every=0.1):
            busy = {*waiting, *(service.name for service in started)}
            for name in [name for name, service in waiting.items() if busy.isdisjoint(service.needs)]:
                service = waiting.pop(name)
                started[service] = self._start(service)
            for service, process in list(started.items()):
                if process and not processes.is_alive(process):
                    reason = processes.last_log_line(service.name)
                    raise self._problem(service, f"s'est arrêté en démarrant : {reason}")
                if answer := service.answer(since=process.create_time() if process else None):
                    tell(Status(service, State.READY, process, answer.note))
                    del started[service]
            if not started and not waiting:
                return
        after = f" au bout de {seconds:.0f} secondes" if seconds else ""
        late = next(iter([*started, *waiting.values()]))
        raise self._problem(late, f"ne répond pas{after}")

    def _start(self, service: Service) -> "psutil.Process":
        try:
            plan = _prepared(service)
            environment = self._environment_of(plan)
            return processes.start(service.name, plan.arguments, environment, ROOT, service.fingerprint())
        except OSError as error:
            raise EnvironmentProblem(f"{service.title} ne se lance pas : {error}", "make doctor") from error

    def _environment_of(self, plan: Plan) -> dict[str, str]:
        return {**self._environment(), **plan.settings}

    def _problem(self, service: Service, what: str) -> EnvironmentProblem:
        place = self.elsewhere(service)
        log = shown(processes.log_file(service.name))
        repair = self.elsewhere_repair(service) if place else f"make doctor, puis make up (journal complet : {log})"
        return EnvironmentProblem(f"{service.title}{f', {place},' if place else ''} {what}", repair)


def shown_address(service: Service) -> str:
    """Où répond ce service, pour le navigateur de l'étudiant ; ce que l'on montre de lui, s'il n'écoute pas."""
    return browser_url(service.address.url) if service.address else service.label


def _process_names(services: Iterable[Service]) -> list[str]:
    return [name for service in services for name in (service.name, *service.replaces)]


def _prepared(service: Service) -> Plan:
    """De quoi le lancer, son dossier et ses fichiers écrits."""
    plan = service.plan()
    plan.home.mkdir(parents=True, exist_ok=True)
    for file, content in plan.files.items():
        (plan.home / file).write_text(content, encoding="utf-8")
    return plan


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        # Le plus long des démarrages : des conteneurs attendus, puis nos propres services.
        with FileLock(state_dir() / "stack.lock", timeout=START_SECONDS + CONTAINER_SECONDS):
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
