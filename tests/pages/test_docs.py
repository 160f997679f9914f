"""Le Python des guides s'exécute tel quel, sur les vrais Prefect et MLflow. `crosswalk.md` a ses propres tests."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers.katas import ROOT

# Chaque page est un programme : ses imports seuls durent des secondes.
pytestmark = pytest.mark.slow
DEPLOYMENTS = ROOT / "docs" / "deployments.md"
PAGES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if path.name != "crosswalk.md"]
# Tous les blocs d'une page à la suite, dans un même programme : un bloc peut se servir du précédent.
RUN_PAGE = """\
import sys
from pathlib import Path
from atelier.prefect.session import workshop_server
from atelier.prefect.settings import prepare_environment

prepare_environment()
with workshop_server():
    from prefect import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="default-pool", type="process"), overwrite=True)
    for number, file in enumerate(sys.argv[1:], start=1):
        print(f"bloc {number}", flush=True)
        exec(compile(Path(file).read_text(encoding="utf-8"), file, "exec"), globals())
"""


# `prefect deploy --all`, chez qui a `pipeline.py` et un work pool.
DEPLOY_ALL = """\
import os, subprocess, sys
from pathlib import Path
from atelier.prefect.session import workshop_server
from atelier.prefect.settings import prepare_environment

prepare_environment()
with workshop_server():
    from prefect import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.settings import PREFECT_API_URL

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="default-pool", type="process"), overwrite=True)
        command = [str(Path(sys.executable).with_name("prefect")), "--no-prompt", "deploy", "--all"]
        subprocess.run(command, env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value()}, check=True)
        deployment = client.read_deployment_by_name("nightly/nightly")
        print(deployment.entrypoint, deployment.parameters, deployment.work_pool_name, deployment.schedules[0].schedule)
"""


def _blocks(page: Path, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page)], ids=lambda page: page.stem)
def test_python_of_the_page_runs(page: Path, own_server: Mapping[str, str], tmp_path: Path) -> None:
    """Chaque bloc s'exécute sans erreur, dans l'ordre de la page."""
    files = []
    for number, code in enumerate(_blocks(page), start=1):
        files.append(tmp_path / f"block_{number}.py")
        files[-1].write_text(code, encoding="utf-8")
    run = _run([RUN_PAGE, *map(str, files)], tmp_path, own_server)

    assert 0 == run.returncode, run.stdout


def test_prefect_yaml_of_the_page_deploys(own_server: Mapping[str, str], tmp_path: Path) -> None:
    """`prefect deploy --all` lit le `prefect.yaml` de la page, et le déploiement est celui qu'elle décrit."""
    (yaml,) = _blocks(DEPLOYMENTS, "yaml")
    (tmp_path / "prefect.yaml").write_text(yaml, encoding="utf-8")
    code = "from prefect import flow\n\n\n@flow\ndef nightly(rows: int = 10) -> int:\n    return rows\n"
    (tmp_path / "pipeline.py").write_text(code, encoding="utf-8")

    run = _run([DEPLOY_ALL], tmp_path, own_server)

    deployed = "pipeline.py:nightly {'rows': 20} default-pool cron='0 6 * * *' timezone='Europe/Paris'"
    assert (0, True) == (run.returncode, deployed in run.stdout), run.stdout


def _run(program: list[str], folder: Path, server: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Un programme Python et ses arguments, dans ce dossier, avec le Prefect des tests et une base MLflow neuve."""
    return subprocess.run(
        [sys.executable, "-c", *program],
        cwd=folder,
        env={
            **os.environ,
            **server,
            "PYTHONPATH": str(ROOT),
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
