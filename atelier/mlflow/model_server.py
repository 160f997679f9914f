"""Le vrai `mlflow models serve`, le temps d'un bloc."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from atelier.machine.errors import REINSTALL, EnvironmentProblem
from atelier.machine.ports import HOST, free_port
from atelier.machine.until import until
from atelier.machine.web import fetch

START_SECONDS = 90
STOP_SECONDS = 5


@contextmanager
def model_server(model_uri: str) -> Iterator[str]:
    """Sert ce modèle sur un port libre, rend son adresse, et arrête le serveur à la fin du bloc.

    Lève `EnvironmentProblem` s'il ne répond pas.
    """
    url = f"http://{HOST}:{(port := free_port())}"
    serve = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", model_uri, "--env-manager", "local"]
    # La commande lance `uvicorn`, qu'elle cherche dans le PATH ; l'environnement n'est peut-être pas activé.
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    process = subprocess.Popen(
        [*serve, "--host", HOST, "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(url, process)
        yield url
    finally:
        _stop_tree(process)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in until(START_SECONDS, every=0.1):
        if process.poll() is not None:
            break
        if fetch(f"{url}/ping", timeout=1.0) is not None:
            return
    problem = "s'arrête aussitôt" if process.poll() is not None else f"ne répond pas après {START_SECONDS} s"
    raise EnvironmentProblem(f"`mlflow models serve` {problem}", REINSTALL)


def _stop_tree(process: "subprocess.Popen[bytes]") -> None:
    """Arrête la commande et ce qu'elle a lancé : MLflow confie le service à un autre processus."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        tree = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in tree:
            with suppress(psutil.NoSuchProcess):
                member.terminate()
        for survivor in psutil.wait_procs(tree, timeout=STOP_SECONDS)[1]:
            survivor.kill()
    process.wait()
