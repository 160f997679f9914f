"""Les commandes d'un étudiant, telles que les pages les écrivent, l'atelier étant démarré."""

import faulthandler
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.helpers import doc_commands
from tests.helpers.doc_commands import COMMANDS, Command
from tests.helpers.katas import PATIENT, ROOT
from tests.helpers.stack import Stack

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="les blocs des pages sont pour bash")
PAGES = doc_commands.all_pages()
# Ce qui ne rend pas la main, et le texte qui dit que tout va bien.
FOREGROUND = {"mlflow models serve": "Application startup complete", "--serve": "polling for scheduled runs"}
SECONDS = 300


def _line(place: str) -> int:
    return int(place.rpartition(":")[2])


def _is_played(command: Command) -> bool:
    """Ce qu'un étudiant tape, sauf ce que d'autres jouent.

    `pytest katas/NN`, avec ou sans `-m` : les tests des katas ; README.en.md dit comme README.md ;
    les longues commandes de CONTRIBUTING.md : la vérification du projet.
    """
    if command.place.startswith("README.en.md"):
        return False
    program, *rest = command.words
    if program == "pytest":
        return re.match(r"katas/\d\d_", rest[0]) is not None and len(rest) > 1 and "-m" not in rest
    if program == "make":
        return rest[0] in COMMANDS - {"down"} or (rest[0] in {"stubs", "notebooks"} and len(rest) > 1)
    if program == "mlflow":  # le kata 10 range d'abord un modèle, que `docs/mlflow.md` suppose
        return "--model-uri" in rest and command.place.startswith("katas/")
    return any(re.match(r"(katas|data)/.+\.py$", word) for word in rest)


def _played_in(name: str) -> list[Command]:
    """Une fois chacune, dans l'ordre de la page ; à la fin, ce qui défait un kata résolu."""
    found = [command for command in doc_commands.commands(name, PAGES[name]) if _is_played(command)]
    return sorted({command.text: command for command in reversed(found)}.values(), key=_undoes_then_line)


def _undoes_then_line(command: Command) -> tuple[bool, int]:
    return "stubs" in command.words, _line(command.place)


@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize("name", [name for name in PAGES if _played_in(name)])
def test_commands_of_the_page_run(name: str, embedded: Stack, tmp_path: Path) -> None:
    """Les commandes d'une page, dans l'ordre, réussissent chez qui a résolu les katas, l'atelier étant démarré."""
    faulthandler.cancel_dump_traceback_later()
    copy = doc_commands.solved_copy(tmp_path / "atelier")

    try:
        for command in _played_in(name):
            code, output = _played(command, copy, embedded.environment)
            assert 0 == code, f"{command.place} : {command.text}\n{output}"
    finally:
        embedded.remove_deployments()  # une page du kata 06 en laisse, comme chez l'étudiant


def _played(command: Command, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Le code de retour et ce qui s'affiche ; un programme qui reste au premier plan est arrêté une fois prêt."""
    ready = next((text for start, text in FOREGROUND.items() if start in command.text), None)
    text = re.sub("|".join(doc_commands.EXAMPLES), lambda found: doc_commands.EXAMPLES[found[0]], command.text)
    process = subprocess.Popen(
        ["bash", "-c", text],
        # Les serveurs sont ceux du dépôt : `make up` y rend `atelier` importable, et la copie disparaîtra.
        cwd=ROOT if _is_about_servers(command) else folder,
        env={**os.environ, **environment, **_settings(command, folder, environment)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )
    return _finished(process) if ready is None else _ready(process, ready)


def _settings(command: Command, folder: Path, stack: Mapping[str, str]) -> dict[str, str]:
    """L'environnement de qui a activé `.venv` ; pour `mlflow`, l'adresse que règle le dev container."""
    settings = {"PATH": doc_commands.path(folder), "ATELIER_VENV": sys.prefix, "PYTEST_ADDOPTS": " ".join(PATIENT)}
    if not _is_about_servers(command):
        settings["PYTHONPATH"] = str(folder)
    if command.words[0] == "mlflow":
        settings["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{stack['ATELIER_MLFLOW_PORT']}"
    return settings


def _is_about_servers(command: Command) -> bool:
    return command.words[0] == "make" and command.words[1] in COMMANDS


def _finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=SECONDS)
    return process.returncode, output


def _ready(process: subprocess.Popen[str], text: str) -> tuple[int, str]:
    assert process.stdout
    shown, limit = "", time.monotonic() + SECONDS
    while text not in shown and time.monotonic() < limit and (line := process.stdout.readline()):
        shown += line
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return int(text not in shown), shown
