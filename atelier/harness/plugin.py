"""Le plugin pytest des katas : quel fichier tester, dans quelles limites, ce que l'on en dit.

Le `conftest.py` de la racine le charge, avec les fixtures des trois outils. Rien de lourd ne s'importe ici : un paquet
absent, un serveur en panne doivent donner un message, et la collecte rester immédiate.
"""

import faulthandler
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
from pytest_timeout import is_debugging

from atelier.exercise.kata import KATAS, SOLUTIONS, KataSource, original_of, source_of
from atelier.feedback.pytest_internals import release_streams, without_diff
from atelier.feedback.report import SOURCE, Reporter, last_words
from atelier.harness import data, preflight
from atelier.harness.outages import OUTAGES, Outages
from atelier.harness.targets import explain_target
from atelier.harness.tools import needs_stack
from atelier.machine.resources import FREE_MEMORY
from atelier.sandbox.guard import Guard
from atelier.sandbox.loader import KataModule, loaded_module, restored_process
from atelier.sandbox.mistakes import EndlessCode, StudentMistake

GUARD = pytest.StashKey[Guard]()
STUDENT_FILES = pytest.StashKey[set[str]]()
# Les fichiers dont le chargement ne finit pas : chaque test attendrait tout le délai pour l'apprendre à nouveau.
ENDLESS = pytest.StashKey[dict[KataSource, EndlessCode]]()
# Ceux où un test n'a pas fini : la même boucle attend sans doute les suivants, qui n'ont plus que peu de temps.
LOOPING = pytest.StashKey[set[KataSource]]()
CURRENT = pytest.StashKey[pytest.Item]()
REPORTER = pytest.StashKey[Reporter]()
# La part du délai qui reste quand on sait qu'il y a une boucle : six secondes, le double du plus long test.
SHORTER = 0.4
KILLED = 9  # ce signal est souvent celui d'un système à court de mémoire
STACK_SECONDS = 110.0  # le temps d'attendre un worker ; moins que le dernier recours de pyproject.toml


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Déclare les options des katas."""
    preflight.add_options(parser, pluginmanager)
    group = parser.getgroup("katas", "katas de l'atelier")
    group.addoption("--solutions", action="store_true", help="tester les solutions de référence")
    group.addoption(
        "--impl",
        type=Path,
        metavar="DIR",
        action="append",
        default=[],
        help="tester un autre dossier, de même forme que katas/ ; répétée, elle en teste plusieurs",
    )
    group.addoption("--indice", action="store_true", help="donner l'indice suivant pour le premier test rouge")
    group.addoption("--compare", action="store_true", help="montrer à la fin la solution à côté de votre code")
    group.addoption("--full", action="store_true", help="montrer la trace complète de pytest (comme -v)")
    parser.addini("kata_deadline", "les secondes laissées au code d'un kata, dans chaque test", default="15")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Confie les katas au processus préchauffé, s'il y en a un : la même chose, trois secondes plus tôt."""
    for argument in config.args:
        if problem := explain_target(argument, config.invocation_params.dir):
            raise pytest.UsageError(problem)
    preflight.check(config)
    if not _only_runs_katas(config):
        return None
    from atelier.harness import warm

    if not warm.is_possible():
        return None
    release_streams(config)  # `breakpoint()` lira le clavier
    status = warm.run_pytest(config.invocation_params.args)
    if status and status > 128:
        print(f"\nLe processus de test a été tué par le signal {status - 128}. Relancez pytest.", file=sys.stderr)
        if status - 128 == KILLED:
            print(f"C'est souvent que la mémoire manque : {FREE_MEMORY}.", file=sys.stderr)
    return status


def pytest_configure(config: pytest.Config) -> None:
    """Prépare la surveillance du code d'étudiant et le compte rendu."""
    for folder in config.getoption("impl"):
        if not folder.is_dir():
            raise pytest.UsageError(f"--impl : le dossier {folder} n'existe pas.")
    if config.getoption("indice"):
        config.option.maxfail = 1
    files: set[str] = set()
    guard = Guard(
        files.__contains__, _last_words(config), _deadline(config), is_debugging, _without_last_resort(config)
    )
    config.add_cleanup(_entered(guard.no_exit()))
    config.stash[STUDENT_FILES], config.stash[GUARD], config.stash[ENDLESS] = files, guard, {}
    config.stash[LOOPING] = set()
    if preflight.folders_of(config):
        data.give_copy()  # avant que le premier fichier de tests n'importe `churn`
    config.stash[OUTAGES] = Outages()
    config.stash[REPORTER] = Reporter(config, config.stash[OUTAGES].found)
    config.pluginmanager.register(config.stash[REPORTER], "atelier-report")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Laisse de côté la copie qu'un étudiant garde d'un kata : pytest n'aime pas deux fichiers de tests de même nom."""
    return True if collection_path.is_dir() and original_of(collection_path) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Joue chaque test de kata une fois par dossier, quand `--impl` en donne plusieurs."""
    folders = _implementations(metafunc.config)
    if len(folders) > 1 and source_of(metafunc.definition.path, folders[0]):
        metafunc.fixturenames.append("_implementation")
        metafunc.parametrize("_implementation", folders, indirect=True, ids=[folder.name for folder in folders])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Associe à chaque test de kata le fichier qu'il teste."""
    default = _implementations(config)[0]
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if source := source_of(item.path, parameters.get("_implementation", default)):
            item.stash[SOURCE] = source


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Après la panne d'un serveur, les tests suivants le disent aussitôt."""
    item.config.stash[CURRENT] = item
    if outage := item.config.stash[OUTAGES].known(item):
        raise outage
    if SOURCE in item.stash:
        data.give_copy()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Limite la durée de chaque test de kata et constate ce que le code laisse derrière lui."""
    source, looping = item.stash.get(SOURCE, None), item.config.stash[LOOPING]
    if source is None:
        return (yield)
    if is_debugging():
        faulthandler.cancel_dump_traceback_later()  # le dernier recours de pyproject.toml : il tuerait pytest
    seconds = _deadline(item.config) * (SHORTER if source in looping else 1)
    try:
        with item.config.stash[GUARD].watching(STACK_SECONDS if needs_stack(item) else seconds), without_diff():
            return (yield)
    except EndlessCode:
        looping.add(source)
        raise


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Dit que le code d'un kata a changé les données de l'atelier, et comment les retrouver."""
    if preflight.folders_of(config) and (damaged := data.damage()):
        terminalreporter.line(f"Attention : {damaged}. Pour réparer : {damaged.repair}", bold=True, red=True)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Préchauffe le prochain pytest, puis termine sans attendre les threads oubliés ni le démontage des modules."""
    reporter = config.stash.get(REPORTER, None)
    if not reporter or reporter.exit_status is None:
        return
    from atelier.harness import warm

    warm.start()
    if _runs_as_command() or config.stash[GUARD].has_abandoned_threads:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(reporter.exit_status)


@pytest.fixture
def _implementation(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def load_kata(request: pytest.FixtureRequest) -> "Iterator[Callable[[], KataModule]]":
    """De quoi charger le module testé plusieurs fois, neuf à chaque fois."""
    config, source = request.config, request.node.stash[SOURCE]
    config.stash[STUDENT_FILES].add(str(source.path))
    with restored_process(), ExitStack() as modules:

        def load() -> KataModule:
            endless = config.stash[ENDLESS]
            if source in endless:
                raise endless[source]
            try:
                with config.stash[GUARD].watching():
                    return modules.enter_context(loaded_module(source))
            except EndlessCode as mistake:
                endless[source] = mistake
                raise

        yield load


@pytest.fixture
def kata(load_kata: "Callable[[], KataModule]") -> KataModule:
    """Le module testé : celui de l'étudiant, la solution, ou celui de `--impl`."""
    return load_kata()


@pytest.fixture(scope="module")
def _memory() -> dict[tuple[int, str], tuple[str, Any]]:
    return {}


@pytest.fixture
def once(
    _memory: dict[tuple[int, str], tuple[str, Any]], request: pytest.FixtureRequest
) -> Callable[[str, Callable[[], Any]], Any]:
    """Fait une seule fois par module testé ce que relisent plusieurs tests : un run prend un tiers de seconde."""

    def once(name: str, make: Callable[[], Any]) -> Any:
        require_watching(request)
        # Le rang du dossier testé, pas son chemin : `--impl` peut donner deux fois le même.
        indices = request.node.callspec.indices if hasattr(request.node, "callspec") else {}
        key = (indices.get("_implementation", 0), name)
        if key not in _memory:
            _memory[key] = (request.node.nodeid, make())
        made_by, value = _memory[key]
        request.config.stash[REPORTER].reread(request.node.nodeid, made_by)
        return value

    return once


def require_watching(request: pytest.FixtureRequest) -> None:
    """Une fixture qui lancerait elle-même le kata l'exposerait à une boucle sans fin : elle rend de quoi le lancer."""
    if not request.config.stash[GUARD].is_watching:
        raise RuntimeError("le code du kata se lance dans le test lui-même, pas dans une fixture : rendez une fonction")


def _only_runs_katas(config: pytest.Config) -> bool:
    option = config.option
    if option.usepdb or option.trace or option.help or option.version or option.collectonly:
        return False
    files = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return bool(files) and all(file.resolve().is_relative_to(KATAS) for file in files)


def _implementations(config: pytest.Config) -> list[Path]:
    if config.getoption("solutions"):
        return [SOLUTIONS]
    return [folder.resolve() for folder in config.getoption("impl")] or [KATAS]


def _deadline(config: pytest.Config) -> float:
    try:
        return float(config.getini("kata_deadline"))
    except ValueError as error:
        raise pytest.UsageError("kata_deadline : un nombre de secondes est attendu.") from error


def _without_last_resort(config: pytest.Config) -> Callable[[], None]:
    def cancel() -> None:
        """Retire à ce test les derniers recours de pyproject.toml : ils comptent aussi les pauses, et tuent pytest."""
        faulthandler.cancel_dump_traceback_later()
        if item := config.stash.get(CURRENT, None):
            config.hook.pytest_timeout_cancel_timer(item=item)

    return cancel


def _entered(context: AbstractContextManager[None]) -> Callable[[], None]:
    """Entre dans `context` et rend de quoi en sortir."""
    stack = ExitStack()
    stack.enter_context(context)
    return stack.close


def _last_words(config: pytest.Config) -> Callable[[StudentMistake], None]:
    def say(mistake: StudentMistake) -> None:
        release_streams(config)
        print(f"\n\n{last_words(mistake)}", file=sys.stderr, flush=True)

    return say


def _runs_as_command() -> bool:
    return Path(sys.argv[0]).name in {"pytest", "pytest.exe"} or Path(sys.argv[0]).parent.name == "pytest"
