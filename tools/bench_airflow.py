"""Les chiffres de `docs/airflow/README.md` : ce que coûte un XCom, combien de lignes, combien de services.

`python -m tools.bench_airflow` écrit des tableaux Markdown. Il faut PostgreSQL (`initdb`, `postgres`) pour sa colonne.
Médianes de trois essais ; tout écoute sur cette machine, et s'arrête à la fin.
"""

import contextlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tokenize
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from atelier.machine.ports import free_port
from tests.helpers.airflow import Airflow, executable, install
from tests.helpers.katas import ROOT

RUNS = 3
START_SECONDS = 180
REST_SECONDS = 30
POSTGRESQL = ("initdb", "postgres", "createdb")
SIZES = {"1 Ko": 1_000, "10 Ko": 10_000, "100 Ko": 100_000, "1 Mo": 1_000_000, "10 Mo": 10_000_000}
# Le même pipeline, quatre étapes, trois retries, 6 h à Paris, un garde-fou avant les prédictions.
PIPELINES = {
    "Airflow, opérateurs classiques": "docs/airflow/dags/churn_classic.py",
    "Airflow, TaskFlow": "docs/airflow/dags/churn_taskflow.py",
    "Dagster": "docs/orchestrators/pipeline_dagster.py",
    "Prefect": "docs/orchestrators/pipeline_prefect.py",
}
# Huit octets par nombre : le tableau pèse ce que dit sa taille, et ne se compresse pas.
XCOM_DAG = """\
import json, os, time
from pathlib import Path

from airflow.sdk import dag, task

SIZES = {sizes}


@dag(schedule=None)
def xcom():
    @task
    def push(ti=None):
        import numpy as np
        import pandas as pd

        generator = np.random.default_rng(0)
        for label, size in SIZES.items():
            table = pd.DataFrame(generator.random((size // 80 + 1, 10)), columns=list("abcdefghij"))
            start = time.perf_counter()
            ti.xcom_push(key=label, value=table)
            note("push", label, time.perf_counter() - start)

    @task
    def pull(ti=None):
        for label, size in SIZES.items():
            start = time.perf_counter()
            table = ti.xcom_pull(task_ids="push", key=label)
            note("pull", label, time.perf_counter() - start)
            assert table.shape == (size // 80 + 1, 10)

    push() >> pull()


def note(action, label, seconds):
    with Path(os.environ["CHURN_FOLDER"], "xcom.jsonl").open("a") as lines:
        lines.write(json.dumps([action, label, seconds]) + "\\n")


xcom()
"""


def main(arguments: Sequence[str]) -> int:
    """Écrit les tableaux demandés (xcom, lines, services), tous par défaut."""
    install()
    tables = {"xcom": _xcom, "lines": _lines, "services": _services}
    for name in arguments or tables:
        tables[name]()
    return 0


def _xcom() -> None:
    columns = {"SQLite": _xcom_seconds({})}
    if binaries := _postgresql():
        with _database(binaries) as url:
            columns["PostgreSQL"] = _xcom_seconds({"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url})
    names = [f"{action}, {base}" for base in columns for action in ("écrire", "lire")]
    print(f"\n| DataFrame | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for label in SIZES:
        cells = [f"{1000 * columns[base][action, label]:.0f} ms" for base in columns for action in ("push", "pull")]
        print(f"| {label} | {' | '.join(cells)} |")


def _xcom_seconds(settings: dict[str, str]) -> dict[tuple[str, str], float]:
    seen: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        (home / "dags").mkdir()
        (home / "churn").mkdir()
        (home / "dags" / "xcom.py").write_text(XCOM_DAG.replace("{sizes}", repr(SIZES)), encoding="utf-8")
        airflow = Airflow(home, home / "dags", settings)
        airflow("db", "migrate")
        for day in range(1, RUNS + 1):
            airflow("dags", "test", "xcom", f"2026-01-0{day}")
        for line in (home / "churn" / "xcom.jsonl").read_text(encoding="utf-8").splitlines():
            action, label, seconds = json.loads(line)
            seen.setdefault((action, label), []).append(seconds)
    return {key: statistics.median(values) for key, values in seen.items()}


def _lines() -> None:
    print("\n| pipeline | lignes de code |\n|---|---|")
    for name, path in PIPELINES.items():
        print(f"| {name} | {_code_lines((ROOT / path).read_text(encoding='utf-8'))} |")


def _code_lines(source: str) -> int:
    """Les lignes qui portent du code : ni vides, ni commentaires, ni docstrings."""
    numbers: set[int] = set()
    previous = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_docstring = token.type == tokenize.STRING and previous in (tokenize.NEWLINE, tokenize.INDENT)
        if token.type in (tokenize.NL, tokenize.COMMENT):
            continue
        layout = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
        if not is_docstring and not layout:
            numbers |= set(range(token.start[0], token.end[0] + 1))
        previous = token.type
    return len(numbers)


def _services() -> None:
    print("\n| outil | processus | mémoire au repos | prêt en |\n|---|---|---|---|")
    for name, service in (("Airflow", _airflow), ("Prefect", _prefect), ("Dagster", _dagster)):
        with tempfile.TemporaryDirectory() as directory:
            print(f"| {name} | {_measured(service(Path(directory), free_port()))} |", flush=True)


@dataclass(frozen=True)
class _Service:
    """Le serveur d'un outil, tel qu'on le lance pour développer ; `health` répond 200 quand il est prêt."""

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    health: str


def _airflow(home: Path, port: int) -> _Service:
    environment = Airflow(home, settings={"AIRFLOW__API__PORT": str(port)}).environment
    health = f"http://127.0.0.1:{port}/api/v2/monitor/health"
    return _Service([executable("airflow"), "standalone"], home, environment, health)


def _prefect(home: Path, port: int) -> _Service:
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
    }
    command = [_ours("prefect"), "server", "start", "--port", str(port)]
    return _Service(command, home, environment, f"http://127.0.0.1:{port}/api/ready")


def _dagster(home: Path, port: int) -> _Service:
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    environment = os.environ | {"DAGSTER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    file = str(ROOT / PIPELINES["Dagster"])
    command = [_ours("dagster"), "dev", "--host", "127.0.0.1", "--port", str(port), "--python-file", file]
    return _Service(command, home, environment, f"http://127.0.0.1:{port}/server_info")


def _measured(service: _Service) -> str:
    """Lance le service, attend qu'il réponde, le laisse au repos et le pèse."""
    start = time.monotonic()
    with (service.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            service.command,
            cwd=service.folder,
            env=service.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        while not _answers(service.health):
            if time.monotonic() - start > START_SECONDS or process.poll() is not None:
                raise SystemExit((service.folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:])
            time.sleep(0.2)
        ready = time.monotonic() - start
        time.sleep(REST_SECONDS)
        tree = _tree(process)
        memory = sum(member.memory_full_info().pss for member in tree) / 2**20
        return f"{len(tree)} | {memory:.0f} Mio | {ready:.0f} s"
    finally:
        _stop(process)


def _tree(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [*parent.children(recursive=True), parent]


def _stop(process: subprocess.Popen[bytes]) -> None:
    tree = _tree(process)
    process.terminate()
    _, alive = psutil.wait_procs(tree, timeout=20)
    for member in alive:
        member.kill()
    process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except (OSError, ValueError):
        return False


def _postgresql() -> Path | None:
    # Debian ne met pas ces programmes dans le PATH.
    candidates = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.get_exec_path())]
    return next((folder for folder in candidates if all((folder / name).exists() for name in POSTGRESQL)), None)


@contextlib.contextmanager
def _database(binaries: Path) -> Iterator[str]:
    """Une base PostgreSQL neuve ; le serveur refuse de tourner sous root, il prend alors l'utilisateur `postgres`."""
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as directory:
        if user:
            shutil.chown(directory, "postgres")
        data, port = Path(directory, "data"), free_port()
        init = [binaries / "initdb", "--pgdata", data, "--username", "airflow", "--auth", "trust"]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL, cwd=directory, **user)
        serve = [binaries / "postgres", "-D", data, "-p", str(port), "-k", directory, "-h", "127.0.0.1"]
        process = subprocess.Popen(serve, cwd=directory, stderr=subprocess.DEVNULL, **user)
        try:
            create = [binaries / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "airflow", "airflow"]
            deadline = time.monotonic() + START_SECONDS
            while subprocess.run(create, stderr=subprocess.DEVNULL, check=False).returncode:
                if time.monotonic() > deadline:
                    raise SystemExit("PostgreSQL ne démarre pas")
                time.sleep(0.5)
            yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/airflow"
        finally:
            process.terminate()
            process.wait()


def _ours(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
