"""Un dev container pour de vrai, piloté par la commande officielle `devcontainer`, et les serveurs à côté."""

import json
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.helpers import homes
from tests.helpers.katas import ROOT
from tools.npm import node_modules

# Les processus de chaque serveur, reconnus à leur commande.
SERVERS = {
    "mlflow": ["-m uvicorn"],
    "prefect": ["-m uvicorn"],
    "prefect-worker": ["-m atelier.prefect.worker"],
    "dagster": ["-m dagster code-server", "-m dagster_webserver", "-m dagster._daemon", "-m dagster dev"],
}
# Le fichier Dagster de l'étudiant, et le plus petit qui marche.
ASSETS = Path("katas/08_assets/dagster_assets.py")
ONE_ASSET = """\
import dagster as dg


@dg.asset
def customers() -> int:
    return 1


defs = dg.Definitions(assets=[customers])
"""
STUDENT = 1000  # l'utilisateur `vscode` de l'image, et celui d'un clone sur presque tout Linux
START_SECONDS = 240  # large : une machine d'intégration continue fait souvent plusieurs choses à la fois
BUILD_SECONDS = 900  # la première fois, il faut construire l'image
SECRET = f"https://discord.invalid/api/webhooks/1/{uuid.uuid4().hex}"


@dataclass(frozen=True)
class Stack:
    """Un projet Compose à nous, sur un clone à nous. Sans `files`, Compose les trouve dans `.env`."""

    clone: Path
    project: str
    files: tuple[str, ...] = ("--file", "compose/compose.yaml")

    def devcontainer(self, *arguments: str) -> str:
        """Lance `devcontainer` ; rend sa sortie standard."""
        program = node_modules() / ".bin" / "devcontainer"
        return self._run(str(program), *arguments)

    def up(self, *options: str) -> dict[str, str]:
        """Ouvre le dossier dans le conteneur, comme « Reopen in Container »."""
        return json.loads(self.devcontainer("up", "--workspace-folder", str(self.clone), *options).splitlines()[-1])

    def run(self, *command: str) -> str:
        """Lance cette commande dans l'espace de travail, comme un terminal de l'éditeur."""
        return self.devcontainer("exec", "--workspace-folder", str(self.clone), *command)

    def ask(self, action: str, *arguments: str) -> dict:
        """Ce que répond `in_workspace.py` à cette action."""
        return json.loads(self.run("python", "-m", "tests.helpers.in_workspace", action, *arguments).splitlines()[-1])

    def compose(self, *arguments: str) -> str:
        """Lance `docker compose` sur ce projet."""
        return self._run("docker", "compose", "--project-name", self.project, *self.files, *arguments)

    def container(self, service: str) -> str:
        """Le numéro du conteneur de ce service."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def inspect(self, service: str, template: str) -> str:
        """Ce que Docker sait de ce conteneur."""
        return self._run("docker", "inspect", "--format", template, self.container(service)).strip()

    def inside(self, service: str, *command: str) -> str:
        """Lance cette commande dans le conteneur de ce service."""
        return self._run("docker", "exec", self.container(service), *command)

    def save_assets(self, content: str = ONE_ASSET) -> None:
        """Enregistre le fichier Dagster de l'étudiant, dans son clone."""
        file = self.clone / ASSETS
        file.parent.mkdir(exist_ok=True)
        file.write_text(content, encoding="utf-8")

    def kill(self, service: str, command: str) -> None:
        """Tue ce processus sans préavis, et attend qu'un autre l'ait remplacé."""
        victim = self._process(service, command)
        self.inside(service, "kill", "-9", victim[0])
        deadline = time.monotonic() + START_SECONDS
        while self._process(service, command) in (("", ""), victim):
            assert time.monotonic() < deadline, f"« {command} » n'est pas revenu"
            time.sleep(0.2)

    def wait(self, *services: str, seconds: float = START_SECONDS) -> None:
        """Attend que Docker trouve ces serveurs en bonne santé ; sinon, échoue en montrant leurs journaux."""
        waiting = list(services or SERVERS)
        deadline = time.monotonic() + seconds
        while waiting:
            waiting = [name for name in waiting if self.inspect(name, "{{.State.Health.Status}}") != "healthy"]
            if waiting and time.monotonic() > deadline:
                raise AssertionError(
                    f"{waiting} ne servent toujours pas :\n{self.compose('logs', '--tail=30', *waiting)}"
                )
            time.sleep(0.5)

    @contextmanager
    def tunnel(self, port: int) -> Iterator[str]:
        """Un tunnel ouvert dans l'espace de travail ; rend l'adresse où le trouve cette machine."""
        address = self.inspect("net", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
        self.run("bash", "-c", f"setsid python -m tests.helpers.tunnel {port} >/dev/null 2>&1 &")
        deadline = time.monotonic() + 30
        while socket.socket().connect_ex((address, port)):
            assert time.monotonic() < deadline, "le tunnel ne s'ouvre pas"
            time.sleep(0.2)
        try:
            yield address
        finally:
            self.inside("workspace", "pkill", "-f", "tests.helpers.tunnel")

    def remove(self) -> None:
        """Enlève tout ce que ce projet a créé : conteneurs, volumes, réseaux."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")

    def docker(self, *arguments: str) -> str:
        """Lance `docker`."""
        return self._run("docker", *arguments)

    def _process(self, service: str, command: str) -> tuple[str, str]:
        """Le numéro et l'heure de départ de ce processus : dans un conteneur relancé, les numéros resservent."""
        try:
            listed = self.inside(service, "ps", "-eo", "pid=,lstart=,args=")
        except AssertionError:
            return "", ""  # son conteneur redémarre
        found = [line.split(maxsplit=6) for line in listed.splitlines() if command in line]
        return next(((pid, " ".join(start)) for pid, *start, _ in found), ("", ""))

    def _run(self, *command: str) -> str:
        # Sans l'atelier à part de ces tests : ses ports l'emporteraient sur ceux de `.env`.
        usual = {name: value for name, value in os.environ.items() if name not in homes.own}
        environment = {**usual, "COMPOSE_PROJECT_NAME": self.project}
        done = subprocess.run(
            command, cwd=self.clone, env=environment, capture_output=True, encoding="utf-8", check=False
        )
        if done.returncode:
            raise AssertionError(f"{' '.join(command)} : code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout


def engine_problem() -> str:
    """Pourquoi il n'y a pas de conteneurs ici ; rien s'il y en a."""
    if not shutil.which("docker"):
        return "Docker n'est pas installé"
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return f"« {' '.join(command)} » échoue"
    return ""


def clone(folder: Path) -> Path:
    """Un clone comme en a un étudiant, avec ce qui n'est pas encore validé, au nom de l'utilisateur du conteneur."""
    git = ["git", "-c", "safe.directory=*"]
    subprocess.run([*git, "clone", "--quiet", str(ROOT), str(folder)], check=True)
    listed = subprocess.run(
        [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    if os.geteuid() == 0:
        # Un dossier de root ne serait pas inscriptible pour `vscode`, et l'outil n'adapte pas cet utilisateur-là.
        subprocess.run(["chown", "-R", f"{STUDENT}:{STUDENT}", str(folder)], check=True)
    return folder
