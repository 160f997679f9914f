"""Ce que les tests de katas savent d'un run, de ses sous-flows et du formulaire d'un flow, sur un vrai serveur."""

import re
from collections.abc import Mapping

import pytest

from tests.helpers.katas import PytestRun, Workshop

FOLDER, MODULE = "05_nested", "prefect_nested"
KATA = """\
from threading import Event
from time import sleep
from typing import Annotated

from prefect import flow, task
from pydantic import BaseModel, Field


class Settings(BaseModel, extra="forbid"):
    depth: int = Field(default=3, ge=1)


@task
def read(path):
    return path


@task
def read_once_asked(asked):
    asked.wait(30)
    return "read"


@flow
def submitted():
    asked = Event()
    early = read_once_asked.submit(asked)
    while not early.state.is_running():
        sleep(0.01)
    late = read.submit(early)
    asked.set()
    return late.result()


@flow(name="reading", flow_run_name="reading {path}")
def read_one(path: str):
    return read(path)


@flow(flow_run_name="{rows} rows")
def pipeline(rows: Annotated[int, Field(le=9)], settings: Settings = Settings(), paths: list[int] = []):
    read("first")
    return [read_one("b"), read_one("a")]
"""
TESTS = '''\
import pytest

from atelier.prefect import probe as prefect_probe
from atelier.prefect.form import form_of


@pytest.mark.todo(1)
def test_flow_run_is_read_again(kata, run):
    """Le flow run, tel que le serveur le garde : son nom, et ses paramètres écrits en JSON."""
    stored = run(kata.pipeline, rows="2", settings={"depth": 5}).flow_run

    parameters = {"rows": "2", "settings": {"depth": 5}, "paths": []}
    assert (stored.flow, stored.name, stored.state, stored.parameters) == (
        "pipeline", "2 rows", "Completed", parameters
    )


@pytest.mark.todo(1)
def test_subflows_are_read_in_order(kata, run):
    """Les sous-flows, dans l'ordre où ils sont partis, même si l'heure simulée n'a pas avancé."""
    names = [(subflow.flow, subflow.name) for subflow in run(kata.pipeline, 2).subflows]

    assert names == [("reading", "reading b"), ("reading", "reading a")]


@pytest.mark.todo(1)
def test_task_run_knows_its_flow_run(kata, run):
    """Chaque task run dit dans quel flow run il s'est exécuté."""
    record = run(kata.pipeline, 2)

    places = [attempt.flow_run_id for attempt in record.task_runs]
    assert places == [record.flow_run_id, *(subflow.id for subflow in record.subflows)]


@pytest.mark.todo(1)
def test_task_run_knows_where_its_data_come_from(kata, run):
    """Un task run dit d'où vient chacun de ses paramètres, que l'amont ait fini ou non quand il a été soumis."""
    early, late = run(kata.submitted).task_runs

    assert (early.inputs, late.inputs) == ({"asked": []}, {"path": [early.id]})


@pytest.mark.todo(1)
def test_task_alone_has_no_subflow(kata, run):
    """Une task appelée seule n'a pas de sous-flow."""
    assert run(kata.read, "a").subflows == ()


@pytest.mark.todo(1)
def test_nothing_is_read_again_unless_asked(kata, run, monkeypatch):
    """Un kata qui ne demande rien de tout cela n'en paie pas les requêtes."""
    monkeypatch.setattr(prefect_probe, "get_client", None)

    record = run(kata.pipeline, 2)

    assert len(record.task_runs) == 3
    with pytest.raises(TypeError):
        record.subflows


@pytest.mark.todo(1)
def test_form_names_every_wrong_field(kata, clock):
    """Le formulaire nomme chaque champ refusé, jusqu'au fond d'un modèle ou d'une liste, et dit pourquoi."""
    with form_of(kata.pipeline) as form:
        errors = form.errors(rows=10, settings={"depth": 0, "size": 1}, paths=[1, "b"])

    assert errors == {
        "rows": "10 is greater than the maximum of 9",
        "settings": "Additional properties are not allowed ('size' was unexpected)",
        "settings.depth": "0 is less than the minimum of 1",
        "paths.1": "'b' is not of type 'integer'",
    }


@pytest.mark.todo(1)
def test_form_accepts_good_values(kata, clock):
    """Des valeurs permises ne font rien dire au formulaire."""
    with form_of(kata.pipeline) as form:
        assert form.errors(rows=9) == {}


@pytest.mark.todo(1)
def test_form_leaves_no_deployment(kata, clock):
    """Le déploiement qui porte le formulaire ne reste pas sur le serveur."""
    with form_of(kata.pipeline) as form:
        before = form.client.read_deployments()

        with form_of(kata.pipeline):
            during = form.client.read_deployments()

        assert (len(during), form.client.read_deployments()) == (len(before) + 1, before)
'''
RULES = dict(re.findall(r'def (test_\w+)\(.+\n    """(.+)"""', TESTS))


@pytest.fixture(scope="module")
def played(own_server: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> PytestRun:
    workshop = Workshop(tmp_path_factory.mktemp("workshop"))
    workshop.write_kata(FOLDER, MODULE, test=TESTS, code=KATA)
    return workshop.pytest("katas", env=own_server)


@pytest.mark.parametrize("test", RULES)
def test_probe(test: str, played: PytestRun) -> None:
    assert "passed" in played.output, played.output
    assert "" == played.verdicts().get(test, ""), RULES[test]
