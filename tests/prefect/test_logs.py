"""Ce que Prefect journalise sans s'arrêter se lit sous le verdict."""

from collections.abc import Mapping

from tests.helpers.katas import PATIENT
from tests.helpers.toy import Toy, toy

__all__ = ["toy"]
TESTS = """\
def test_key(kata, run):
    run(kata.cached, 1)
    assert run(kata.cached, 1).state.name == "Cached", "attendu : Cached\\nobtenu : Completed"


def test_condition(kata, run):
    assert len(run(kata.retried).task_runs) == 0, "attendu : deux essais\\nobtenu : un seul"


def test_failure(kata, run):
    assert run(kata.failing).error is None, "attendu : rien\\nobtenu : une erreur"
"""
CODE = """\
from prefect import task


def key(context, parameters):
    return parameters["y"]


@task(cache_key_fn=key, persist_result=True)
def cached(x):
    return x


@task(retries=1, retry_condition_fn=lambda error: True)
def retried():
    raise ValueError("non")


@task
def failing():
    raise ValueError("non")
"""


def test_swallowed_error_is_under_the_verdict(toy: Toy, own_server: Mapping[str, str]) -> None:
    """Une clé ou une condition qui échoue ne se voit que dans le journal ; l'échec du run, lui, s'est déjà dit."""
    toy.tests.write_text(TESTS, encoding="utf-8")
    toy.write(CODE)
    verdicts = toy.pytest(*PATIENT, env=own_server).verdicts()

    logged = {
        test: [line.strip() for line in text.splitlines() if "journal" in line] for test, text in verdicts.items()
    }
    assert {
        "test_key": ["journal : KeyError : 'y'"],
        "test_condition": ["journal : TypeError : <lambda>() attend 1 argument, et en reçoit 3"],
        "test_failure": [],
    } == logged
    assert "plain_toy.py:5" in verdicts["test_key"]
