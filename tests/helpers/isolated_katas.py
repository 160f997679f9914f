"""Trois katas de poche, un par outil : ce qu'ils voient de la personne qui les joue, et de l'heure."""

TEST = '''\
import threading


def test_settings(kata, run):
    """Le compte de l'étudiant n'est pas vu, même d'un thread sans contexte."""
    assert run(kata.settings).value == ["", ""]


def test_result_is_computed(kata, run, storage):
    """Rien n'est resservi d'un test à l'autre."""
    assert list(storage.iterdir()) == []
    assert run(kata.cached, 1).state.name == "Completed"
    assert run(kata.cached, 1).state.name == "Cached"


def test_result_is_computed_again(kata, run, storage):
    """Rien n'est resservi d'un test à l'autre."""
    assert list(storage.iterdir()) == []
    assert run(kata.cached, 1).state.name == "Completed"


def test_nobody_waits(kata, run, clock):
    """Trois jours d'attente passent dans le délai d'un test ; ni `sleep`, ni ceux de Prefect ne prennent de temps."""
    record = run(kata.patient)
    assert record.state.name == "Completed"
    assert clock.retry_waits == [86400.0, 86400.0]
    assert clock.student_waits == [3600.0]


def test_async_tasks_do_not_wait_either(kata, run, clock):
    """L'horloge vaut aussi pour les tasks asynchrones."""
    assert run(kata.async_patient).state.name == "Completed"
    assert clock.retry_waits == [86400.0, 86400.0]


def test_other_ways_to_wait_are_seen(kata, run, clock):
    """Un flow asynchrone se lance comme un autre ; ce que le fichier attend lui-même est noté, sous toute forme."""
    assert run(kata.async_flow).value == "réveillé"
    assert clock.student_waits == [3600.0, 0.01, 7200]


def test_cache_expires_when_the_clock_advances(kata, run, clock):
    """L'heure simulée fait expirer un cache, et n'avance pas d'elle-même."""
    states = [run(kata.hourly, 1).state.name for _ in range(2)]
    clock.advance(3599)
    states.append(run(kata.hourly, 1).state.name)
    clock.advance(2)
    states.append(run(kata.hourly, 1).state.name)
    assert states == ["Completed", "Cached", "Cached", "Completed"]


def test_sleep_of_others_is_real(kata, clock):
    """Seuls les `sleep` du fichier de l'étudiant sont simulés : celui-ci laisse passer l'autre thread."""
    import time

    passed = threading.Event()
    threading.Timer(0.05, passed.set).start()
    while not passed.is_set():
        time.sleep(0.01)
    assert clock.student_waits == [3600.0]


def test_thread_reaches_the_server(kata, run):
    """Un flow lancé d'un thread de l'étudiant va au serveur de l'atelier."""
    assert run(kata.threaded).value == ["Completed"]
'''
CODE = """\
import asyncio
import datetime
import threading
import time

from prefect import flow, task
from prefect.cache_policies import INPUTS
from prefect.settings import get_current_settings

attempts = []
time.sleep(3600)


def account():
    key = get_current_settings().api.key
    return key.get_secret_value() if key else ""


@flow
def settings():
    seen = [account()]
    thread = threading.Thread(target=lambda: seen.append(account()))
    thread.start()
    thread.join()
    return seen


@task(cache_policy=INPUTS)
def cached(x):
    return x


@task(retries=2, retry_delay_seconds=86400)
def flaky():
    attempts.append(1)
    if len(attempts) < 3:
        raise ValueError("pas encore")


@flow
def patient():
    flaky()


@task(retries=2, retry_delay_seconds=86400)
async def async_flaky():
    attempts.append(1)
    if len(attempts) < 3:
        raise ValueError("pas encore")


@flow
def async_patient():
    asyncio.run(async_flaky())


@flow
async def async_flow():
    told = threading.Event()
    told.wait(0.01)
    told.set()
    told.wait(0.01)  # quelqu'un a répondu : ce n'est plus une attente
    return await asyncio.sleep(7200, "réveillé")


@task(cache_policy=INPUTS, cache_expiration=datetime.timedelta(hours=1))
def hourly(x):
    return x


@flow
def small():
    return 1


@flow
def threaded():
    states = []
    thread = threading.Thread(target=lambda: states.append(small(return_state=True).name))
    thread.start()
    thread.join()
    return states
"""
TRACKED_TEST = '''\
def test_run_is_tracked(kata, experiment):
    """Ni le compte ni les réglages de la personne ne détournent un run."""
    kata.track(experiment.name)
    assert [(run.status, run.params) for run in experiment.runs()] == [("FINISHED", {"C": "1"})]
'''
TRACKED_CODE = """\
import mlflow
from matplotlib.figure import Figure


def track(experiment):
    mlflow.set_experiment(experiment)
    with mlflow.start_run():
        mlflow.log_param("C", 1)
        mlflow.log_figure(Figure(), "figure.png")
"""
DAGSTER_TEST = '''\
import os


def test_asset(kata, dagster):
    """Un asset est produit, et gardé pour le suivant, sans le DAGSTER_HOME de l'étudiant."""
    assert dagster.materialize(kata.defs).computed == ["number", "double"]
    assert dagster.stored("double") == 2
    assert os.environ["DAGSTER_HOME"].startswith(os.environ["ATELIER_HOME"])
'''
DAGSTER_CODE = """\
import dagster as dg


@dg.asset
def number():
    return 1


@dg.asset
def double(number):
    return 2 * number


defs = dg.Definitions(assets=[number, double])
"""
