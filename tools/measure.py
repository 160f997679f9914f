"""Ce que coûte le dev container : `python -m tools.measure`. Médianes de trois ouvertures, machine au calme."""

import json
import os
import re
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.helpers import containers
from tests.helpers.containers import SECRET, SERVERS, Stack

RUNS = 3
IDLE_SECONDS = 30
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "B": 1}


def main() -> None:
    """Écrit une ligne par mesure, et la charge de la machine à côté."""
    with tempfile.TemporaryDirectory() as folder:
        secrets = Path(folder, "secrets.json")
        secrets.write_text(json.dumps({"DISCORD_WEBHOOK_URL": SECRET}), encoding="utf-8")
        stack = Stack(containers.clone(Path(folder, "atelier-mlops")), f"atelier-mesure-{os.getpid()}")
        stack.save_assets()
        try:
            stack.up("--secrets-file", str(secrets))  # construit l'image, si elle ne l'est pas
            rows = [_opening(stack, secrets) for _ in range(RUNS)]
        finally:
            stack.remove()
        for name, unit in (("devcontainer up", "s"), ("tout sert", "s"), ("au repos", "Mio"), ("au plus", "Mio")):
            values = [row[name] for row in rows]
            print(f"{name:<16} {statistics.median(values):8.1f} {unit:<4} {[round(value, 1) for value in values]}")
        print(f"{'image sans base':<16} {_image_size(stack) / 1e6:8.1f} Mo")


def _opening(stack: Stack, secrets: Path) -> dict[str, float]:
    stack.remove()
    print(f"charge : {os.getloadavg()[0]:.1f}", flush=True)
    started = time.monotonic()
    stack.up("--secrets-file", str(secrets))
    opened = time.monotonic() - started
    stack.wait()
    ready = time.monotonic() - started
    time.sleep(IDLE_SECONDS)
    idle = _memory(stack)
    return {"devcontainer up": opened, "tout sert": ready, "au repos": idle, "au plus": _peak(stack)}


def _peak(stack: Stack) -> float:
    """La mémoire la plus haute pendant deux entraînements simultanés et une matérialisation."""
    with ThreadPoolExecutor() as pool:
        trainings = pool.submit(stack.ask, "deploy", "training", "2")
        materialization = pool.submit(stack.ask, "materialize")
        seen = [_memory(stack)]
        while not (trainings.done() and materialization.done()):
            seen.append(_memory(stack))
    assert ["Completed", "Completed"] == trainings.result()["states"]
    assert "SUCCESS" == materialization.result()["status"]
    return max(seen)


def _memory(stack: Stack) -> float:
    """La mémoire de tous les conteneurs, en Mio, telle que Docker la compte."""
    names = [stack.container(name) for name in ("net", "workspace", *SERVERS)]
    used = stack.docker("stats", "--no-stream", "--format", "{{.MemUsage}}", *names)
    sizes = re.findall(r"^([\d.]+)(KiB|MiB|GiB|B)", used, flags=re.MULTILINE)
    return sum(float(size) * UNITS[unit] for size, unit in sizes) / UNITS["MiB"]


def _image_size(stack: Stack) -> int:
    base = re.search(r"^FROM (\S+)", (stack.clone / "compose" / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert base
    sizes = [int(stack.docker("image", "inspect", "-f", "{{.Size}}", name)) for name in ("atelier-mlops", base[1])]
    return sizes[0] - sizes[1]


if __name__ == "__main__":
    main()
