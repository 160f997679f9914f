"""`make doctor` : ce qui peut empêcher l'atelier de marcher sur cette machine, et la commande qui répare."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from atelier.machine import env_file, processes
from atelier.machine.errors import REINSTALL, EnvironmentProblem, typed_here
from atelier.machine.packages import locked
from atelier.machine.paths import ROOT, shown, state_dir
from atelier.stack.lifecycle import Stack, State, shown_address
from atelier.stack.service import Service

PYTHON_VERSIONS = ((3, 11), (3, 14))
GIGABYTE = 1e9
DISK_NEEDED = 1.0
# Les quatre services, au repos, plus un entraînement ; et de quoi travailler quand ils tournent déjà.
MEMORY_TO_START = 1.5
MEMORY_TO_WORK = 0.4


@dataclass(frozen=True)
class Finding:
    """Un point vérifié, tel qu'on le lit ; `repair` n'est vide que si tout va bien."""

    text: str
    repair: str = ""


def _finding(text: str, repair: str = "") -> Finding:
    """Un point vérifié, dont les commandes sont celles de ce système."""
    return Finding(typed_here(text), typed_here(repair))


def examine(stack: Stack) -> Iterator[Finding]:
    """Vérifie tout, du plus simple au plus composé."""
    for check in CHECKS:
        try:
            yield from check(stack)
        except EnvironmentProblem as problem:
            yield Finding(str(problem), problem.repair)
        except ImportError as error:
            yield _finding(f"le paquet « {error.name} » n'est pas installé", REINSTALL)
        except OSError as error:
            yield _finding(f"le système refuse : {error}", "rendez-vous propriétaire de ce fichier, puis : make doctor")


def _python(stack: Stack) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    lowest, beyond = PYTHON_VERSIONS
    if not lowest <= sys.version_info[:2] < beyond:
        yield _finding(f"Python {version} : il faut 3.11, 3.12 ou 3.13", "make up PYTHON=python3.12")
    elif sys.prefix == sys.base_prefix:
        yield _finding(f"Python {version}, hors d'un environnement virtuel", "make up")
    else:
        yield _finding(f"Python {version}, dans {shown(sys.prefix)}")


def _packages(stack: Stack) -> Iterator[Finding]:
    from importlib.metadata import distributions

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    wanted = [requirement for requirement in map(Requirement, locked(ROOT)) if _applies(requirement)]
    installed = {canonicalize_name(found.name): found.version for found in distributions()}
    wrong = [one.name for one in wanted if installed.get(one.name, "") not in one.specifier]
    if wrong:
        names = ", ".join(wrong[:5]) + (f" et {len(wrong) - 5} autres" if len(wrong) > 5 else "")
        yield _finding(f"paquets absents, ou d'une autre version que celle du verrou : {names}", REINSTALL)
    else:
        yield _finding(f"paquets : les {len(wanted)} du verrou, aux bonnes versions")


def _disk(stack: Stack) -> Iterator[Finding]:
    free = shutil.disk_usage(state_dir()).free / GIGABYTE
    text = f"disque : {_decimal(free)} Go libres"
    if free < DISK_NEEDED:
        yield _finding(f"{text}, il en faut {_decimal(DISK_NEEDED)}", "libérez de la place, puis : make up")
    else:
        yield _finding(text)


def _memory(stack: Stack) -> Iterator[Finding]:
    import psutil

    available = psutil.virtual_memory().available / GIGABYTE
    needed = MEMORY_TO_WORK if stack.sidecars() or processes.members(stack.services) else MEMORY_TO_START
    text = f"mémoire : {_decimal(available)} Go disponibles"
    if available < needed:
        yield _finding(
            f"{text}, il en faut {_decimal(needed)}",
            "fermez des programmes ; ou passez-vous des serveurs (make down) : les katas marchent sans",
        )
    else:
        yield _finding(text)


def _folders(stack: Stack) -> Iterator[Finding]:
    for folder in (ROOT / "katas", state_dir()):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            repair = f"rendez-vous propriétaire de ce dossier : sudo chown -R {_user()} {folder}"
            yield _finding(f"on ne peut pas écrire dans {shown(folder)} : {error.strerror}", repair)
        else:
            yield _finding(f"dossier {shown(folder)} : on peut y écrire")


def _env_file(stack: Stack) -> Iterator[Finding]:
    if not env_file.ENV_FILE.exists():
        yield _finding("fichier .env : absent, les réglages habituels valent")
        return
    unreadable = env_file.unreadable_lines()
    ports = {service.address.port_setting for service in stack.services.values() if service.address}
    ours = [name for name in env_file.read_env_file() if name.startswith("ATELIER_")]
    unknown = sorted(set(ours) - ports)
    if unreadable:
        yield _finding(f"fichier .env : la ligne {unreadable[0]} ne se lit pas", "écrivez-la NOM=valeur")
    if unknown:
        yield _finding(f"fichier .env : {unknown[0]} n'existe pas", "comparez avec .env.example")
    if not unreadable and not unknown:
        yield _finding("fichier .env : lisible")


def _servers(stack: Stack) -> Iterator[Finding]:
    for service in stack.services.values():
        shown_address(service)  # un port impossible se dit une fois, avant tout le reste
    for status in stack.observe():
        where = stack.elsewhere(status.service)
        text = f"{status.service.title} : {status.state.value}{f' ({status.note})' if status.note else ''}"
        if status.state in (State.SICK, State.OUTDATED):
            yield _finding(text, "make up")
        elif status.state is State.STOPPED and where:
            yield _finding(f"{text}, {where}", stack.elsewhere_repair(status.service))
        elif status.state is State.STOPPED:
            yield _able_to_start(stack, status.service, text)
        else:
            yield _finding(text)


def _able_to_start(stack: Stack, service: Service, text: str) -> Finding:
    try:
        stack.check_port(service)
    except EnvironmentProblem as problem:
        return Finding(str(problem), problem.repair)
    return _finding(f"{text} (make up le démarre)")


CHECKS: tuple[Callable[[Stack], Iterator[Finding]], ...] = (
    _python,
    _packages,
    _folders,
    _disk,
    _memory,
    _env_file,
    _servers,
)


def _applies(requirement: "Requirement") -> bool:  # noqa: F821 - `packaging` peut manquer
    return requirement.marker is None or requirement.marker.evaluate()


def _decimal(number: float) -> str:
    return f"{number:.1f}".replace(".", ",")


def _user() -> str:
    return os.environ.get("USER") or os.environ.get("USERNAME") or "vous"
