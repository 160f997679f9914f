"""Le serveur Prefect de l'atelier : son ramasse-miettes ne gêne personne, ses transactions attendent leur tour."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.katas import ROOT

# Chaque test importe tout le serveur.
pytestmark = pytest.mark.slow
# Un cycle ne disparaît que par le ramasse-miettes : il dit dans quel thread. Le même sort, sur un serveur chargé,
# attend l'exception d'une requête refusée et son curseur.
PROBE = """\
import threading
import time

from atelier.prefect.app import create_app


class Cycle:
    def __init__(self):
        self.itself = self

    def __del__(self):
        places.append(threading.current_thread() is threading.main_thread())


def allocate():
    return [[number] for number in range(100_000)]


places = []
create_app()
Cycle()
allocate()
before = list(places)
deadline = time.monotonic() + 30
while not places and time.monotonic() < deadline:
    time.sleep(0.05)
print(before, places)
"""


# Deux transactions qui lisent, puis écrivent ; la première attend que l'autre ait lu, si l'autre le peut.
TWO_WRITERS = """\
import asyncio
import sys

from sqlalchemy import text

from atelier.prefect.app import create_app

create_app()
from prefect.server.database.configurations import AioSqliteConfiguration


async def write(configuration, mine, other):
    session = await configuration.session(await configuration.engine())
    async with session, configuration.begin_transaction(session, with_for_update=False):
        count = (await session.execute(text("SELECT count FROM counter"))).scalar_one()
        mine.set()
        try:
            await asyncio.wait_for(other.wait(), 1)
        except TimeoutError:
            pass
        await session.execute(text(f"UPDATE counter SET count = {count + 1}"))


async def main():
    configuration = AioSqliteConfiguration(f"sqlite+aiosqlite:///{sys.argv[1]}")
    async with (await configuration.engine()).begin() as connection:
        await connection.execute(text("CREATE TABLE counter (count INTEGER)"))
        await connection.execute(text("INSERT INTO counter VALUES (0)"))
    one, two = asyncio.Event(), asyncio.Event()
    outcomes = await asyncio.gather(
        write(configuration, one, two), write(configuration, two, one), return_exceptions=True
    )
    async with (await configuration.engine()).connect() as connection:
        print(outcomes, (await connection.execute(text("SELECT count FROM counter"))).scalar_one())


asyncio.run(main())
"""


def test_garbage_is_collected_elsewhere() -> None:
    """Le thread principal n'y touche pas, autant qu'il alloue ; un autre s'en charge."""
    done = _python(PROBE)

    assert (done.returncode, done.stdout.strip()) == (0, "[] [False]"), done.stdout + done.stderr


def test_transaction_that_will_write_waits_for_its_turn(tmp_path: Path) -> None:
    """Aucune n'est refusée parce qu'une autre a écrit depuis qu'elle a lu, et aucune n'écrase l'autre."""
    done = _python(TWO_WRITERS, str(tmp_path / "counter.db"))

    assert (done.returncode, done.stdout.strip()) == (0, "[None, None] 2"), done.stdout + done.stderr


def _python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
