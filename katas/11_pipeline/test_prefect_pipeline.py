"""Le pipeline entier, sur le vrai Prefect et le vrai MLflow, avec une source HTTP capricieuse et des pannes partout."""

import http.server
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelier import churn, production
from atelier.feedback.verdict import explain
from atelier.machine.paths import state_dir
from atelier.props.flaky_source import OK, FlakySource
from atelier.props.properties import property_of_run

CANDIDATES = [0.0001, 1.0]
STEPS = ["download", "train", "log_model", "register", "alias", "write"]
MEETING_SECONDS = 5
LATECOMER_SECONDS = 0.25


@pytest.fixture
def source() -> Iterator[FlakySource]:
    with FlakySource([OK]) as source:
        yield source


@dataclass(frozen=True)
class Production:
    """Ce qui reste d'un pipeline : des runs MLflow, des versions, un fichier."""

    name: str
    path: Path

    @property
    def runs(self) -> list[str]:
        """Le statut de chaque run MLflow, dans l'ordre alphabétique."""
        experiment = _client().get_experiment_by_name(self.name)
        found = _client().search_runs([experiment.experiment_id]) if experiment else []
        return sorted(run.info.status for run in found)

    @property
    def versions(self) -> list[str]:
        """Les versions du modèle, chacune avec ses alias."""
        found = _client().search_model_versions(f"name = '{self.name}'")
        champion = _client().get_registered_model(self.name).aliases.get("champion") if found else None
        numbers = sorted(str(version.version) for version in found)
        return [f"{number} champion" if number == str(champion) else number for number in numbers]

    @property
    def predictions(self) -> str | None:
        """Le contenu du fichier des prédictions, s'il existe."""
        return self.path.read_text(encoding="utf-8") if self.path.exists() else None

    @property
    def files(self) -> list[str]:
        """Tout ce que contient le dossier des prédictions."""
        return sorted(file.name for file in self.path.parent.iterdir())

    @property
    def left(self) -> tuple[int, list[str], list[str]]:
        """Ce qui doit rester : le nombre de runs FINISHED, les versions, les fichiers."""
        return self.runs.count("FINISHED"), self.versions, self.files

    def __str__(self) -> str:
        return f"runs MLflow : {self.runs} ; versions : {self.versions} ; fichiers : {self.files}"


@dataclass(frozen=True)
class Night:
    """Un run du pipeline, et ce qu'il laisse : ce qui doit rester, le nombre de messages, les prédictions."""

    record: object
    left: tuple[int, list[str], list[str]]
    messages: int
    predictions: pd.DataFrame
    told: str


@contextmanager
def new_production(folder: Path) -> Iterator[Production]:
    """Une production à un nom que personne d'autre n'emploie ; rien n'en reste dans MLflow."""
    name = f"churn-test-{uuid4().hex[:8]}"
    (folder / name).mkdir()
    made = Production(name, folder / name / "predictions.csv")
    yield made
    for experiment in _client().search_experiments(filter_string=f"name LIKE '{name}%'"):
        _client().delete_experiment(experiment.experiment_id)
    if _client().search_registered_models(f"name = '{name}'"):
        _client().delete_registered_model(name)


@pytest.fixture
def made(mlflow_store, tmp_path) -> Iterator[Production]:
    with new_production(tmp_path) as made:
        yield made


@pytest.fixture
def produce(kata, run, source):
    """Lance le pipeline sur la source, vers cette production."""

    def produce(made: Production, candidates: list[float] = CANDIDATES):
        return run(kata.production_pipeline, source.url, made.path, candidates, made.name)

    return produce


@pytest.fixture(scope="module")
def tricky_customers() -> pd.DataFrame:
    """Des clients dont le meilleur candidat sur `train`, ou sur tous, n'est pas le meilleur sur `holdout`."""
    return churn.load_customers().sample(60, random_state=7).reset_index(drop=True)


@pytest.fixture
def produce_twice(produce, made, webhook, tricky_customers, once, monkeypatch) -> Callable[[], list[Night]]:
    """Lance deux fois le pipeline sur les mêmes clients, et rend les deux nuits."""
    monkeypatch.setattr(production, "download_customers", lambda url: tricky_customers.copy())

    def night() -> Night:
        record = produce(made)
        predictions = pd.read_csv(made.path) if made.predictions else pd.DataFrame()
        return Night(record, made.left, len(webhook), predictions, f"{record} ; {made} ; messages : {webhook}")

    return lambda: once("two nights", lambda: [night(), night()])


@pytest.mark.todo(1)
def test_load_survives_a_flaky_source(kata, run, clock, source):
    """Le téléchargement se relance trois fois, en attendant deux fois plus à chaque fois."""
    source.play([503, 503, 503, OK])

    record = run(kata.load_customers, source.url)

    assert (record.state.name, clock.retry_waits) == ("Completed", [10, 20, 40]), explain(
        expected="après trois 503 : « Completed », et des attentes de 10, 20 et 40 s",
        got=f"{record}, attentes : {clock.retry_waits}",
    )


@pytest.mark.todo(1)
def test_load_gives_up_after_three_retries(kata, run, source):
    """Devant une source morte, trois retries, pas un de plus : la task échoue."""
    source.play([503])

    record = run(kata.load_customers, source.url)

    assert (source.requests, record.state.name) == (4, "Failed"), explain(
        expected="4 requêtes (le premier essai et 3 retries), puis « Failed »",
        got=f"{source.requests} requête(s), puis {record}",
    )


@pytest.mark.todo(2)
def test_candidate_is_trained_once(kata, run, made, customers):
    """Redemandé pour la même chose, même sous une autre expérience, un candidat n'est pas réentraîné."""
    records = [run(kata.train_candidate, customers, 1.0, name) for name in (made.name, f"{made.name}-bis")]

    states = [record.state.name for record in records]
    assert (states, made.runs) == (["Completed", "Cached"], ["FINISHED"]), explain(
        expected="« Completed », puis « Cached » ; un seul run MLflow",
        got=f"{', puis '.join(map(str, records))} ; runs MLflow : {made.runs}",
    )


@pytest.mark.todo(2)
def test_another_candidate_is_trained(kata, run, made, customers, monkeypatch):
    """Un autre `C`, d'autres clients ou un autre code : un autre entraînement."""
    monkeypatch.setattr(production, "log_candidate", _train_nothing)
    records = [
        run(kata.train_candidate, customers, 1.0, made.name),
        run(kata.train_candidate, customers, 1.0, made.name),
        run(kata.train_candidate, customers, 0.5, made.name),
        run(kata.train_candidate, customers.tail(150), 1.0, made.name),
        run(_with_other_code(kata.train_candidate), customers, 1.0, ""),
    ]

    states = [record.state.name for record in records]
    assert states == ["Completed", "Cached", "Completed", "Completed", "Completed"], explain(
        expected="le même candidat : « Cached » ; un autre `C`, d'autres clients, un autre code : « Completed »",
        got=", puis ".join(map(str, records)),
    )


@pytest.mark.todo(3)
def test_best_candidate_is_registered_once(kata, run, made, customers, logged):
    """Le meilleur candidat devient une version, une seule, même si la task est relancée."""
    records = [run(kata.promote_best, logged, customers, made.name) for _ in range(2)]

    states = [record.state.name for record in records]
    assert (states, made.versions) == (["Completed", "Completed"], ["1 champion"]), explain(
        expected="deux fois « Completed », et une seule version, « 1 champion »",
        got=f"{', puis '.join(map(str, records))} ; versions : {made.versions}",
    )


@pytest.mark.todo(3)
def test_each_better_run_has_its_version(kata, run, made, customers, logged):
    """Une nuit plus tard, un meilleur run devient la version 2 ; la version 1 reste."""
    records = [run(kata.promote_best, run_ids, customers, made.name) for run_ids in (logged[:1], logged)]

    assert made.versions == ["1", "2 champion"], explain(
        expected="une version 1, puis une version « 2 champion »",
        got=f"{', puis '.join(map(str, records))} ; versions : {made.versions}",
    )


@pytest.mark.todo(4)
def test_two_candidates_train_at_the_same_time(kata, run, source, made, monkeypatch):
    """Deux entraînements se font en même temps, jamais trois."""
    crowd = Crowd()
    monkeypatch.setattr(production, "log_candidate", crowd.enter)

    record = run(kata.production_pipeline, source.url, made.path, [0.1, 0.2, 0.3, 0.4], made.name)

    assert crowd.peak == 2, explain(
        expected="quatre candidats, deux à la fois", got=f"{crowd.peak} à la fois ; le flow : {record}"
    )


@pytest.mark.todo(4)
def test_failure_is_notified_once(kata, run, source, made, webhook):
    """Un échec prévient, une fois ; un succès ne dérange personne."""
    source.play([404])
    run(kata.production_pipeline, source.url, made.path, CANDIDATES, made.name)

    told = [message["content"].split("\n")[0] for message in webhook]
    assert (len(told), "production-pipeline" in "".join(told), "Failed" in "".join(told)) == (1, True, True), explain(
        expected="un message, qui nomme le flow et son état « Failed »", got=told or "aucun message"
    )


@pytest.mark.todo(5)
def test_predictions_are_those_of_the_best_candidate(produce_twice, tricky_customers):
    """Les prédictions sont celles du meilleur candidat sur des clients qu'il n'a pas vus."""
    train, holdout = churn.split_customers(tricky_customers)
    models = [churn.train_model(train, C=C) for C in CANDIDATES]
    best = max(models, key=lambda model: churn.evaluate_model(model, holdout)["auc"])
    expected = churn.predict_churn(best, tricky_customers)

    first, _ = produce_twice()

    assert expected.round(9).equals(first.predictions.round(9)), explain(
        expected=f"pour chaque client de la source, la réponse du meilleur candidat : {_told(expected)}",
        got=f"un flow {first.record} ; {_told(first.predictions)}",
    )


@pytest.mark.todo(5)
def test_second_run_changes_nothing(produce_twice):
    """Un run laisse un run MLflow par candidat, une version championne, des prédictions ; un second n'ajoute rien."""
    for rank, night in zip(("premier", "second"), produce_twice(), strict=True):
        left = (night.record.state.name, *night.left, night.messages)
        assert left == ("Completed", 2, ["1 champion"], ["predictions.csv"], 0), explain(
            expected=f"après le {rank} run : « Completed », 2 runs FINISHED, 1 champion, predictions.csv, 0 message",
            got=night.told,
        )


@pytest.mark.todo(5)
def test_next_run_finishes_after_a_crash(produce, made):
    """Une panne entre l'enregistrement et la promotion ne laisse rien d'ouvert ; le run suivant finit le travail."""
    assert_next_run_finishes(["alias"], produce, made, candidates=[1.0])


@pytest.mark.slow
@pytest.mark.todo(5)
@pytest.mark.parametrize("step", STEPS)
def test_next_run_finishes_after_a_crash_at_any_step(step, produce, made):
    """De même, à quelque étape que vienne la panne."""
    assert_next_run_finishes([step], produce, made)


@pytest.mark.slow
@pytest.mark.todo(5)
def test_next_run_finishes_after_several_crashes(produce, mlflow_store, storage, tmp_path):
    """De même, après plusieurs pannes de suite, à des étapes tirées au sort."""

    @settings(property_of_run, max_examples=2)
    @given(crashes=st.lists(st.sampled_from(STEPS), min_size=2, max_size=2))
    def finishes(crashes: list[str]) -> None:
        shutil.rmtree(storage)  # un cache d'un exemple à l'autre effacerait les pannes
        with new_production(tmp_path) as made:
            assert_next_run_finishes(crashes, produce, made)

    finishes()


@pytest.mark.stack
@pytest.mark.todo(5)
def test_worker_leaves_everything_once(kata, deployments, mlflow_store, source):
    """Exécuté deux fois par le worker, le pipeline laisse tout, une fois : dans Prefect, MLflow et sur le disque."""
    # Un dossier que le worker voit aussi, même dans son conteneur.
    with tempfile.TemporaryDirectory(dir=state_dir()) as folder, new_production(Path(folder)) as made:
        parameters = {"url": source.url, "path": str(made.path), "candidates": CANDIDATES, "name": made.name}
        kata.deploy(deployments.environment, parameters)
        deployment = deployments.deployed()["production-pipeline"].id

        states = [deployments.wait(deployments.start(deployment))[0].state_name]
        if states == ["Completed"]:
            states.append(deployments.wait(deployments.start(deployment))[0].state_name)

        assert (states, *made.left) == (["Completed"] * 2, 2, ["1 champion"], ["predictions.csv"]), explain(
            expected="deux runs « Completed », 2 runs MLflow FINISHED, « 1 champion », predictions.csv",
            got=f"runs : {states} ; {made}",
        )


def assert_next_run_finishes(crashes: list[str], produce, made: Production, candidates=CANDIDATES) -> None:
    for step in crashes:
        with crash_at(step) as crashed:
            record = produce(made, candidates)

        # Une étape servie par le cache ne tombe pas en panne.
        expected = ("Failed", []) if crashed else ("Completed", ["predictions.csv"])
        assert (record.state.name, made.files, "RUNNING" in made.runs) == (*expected, False), explain(
            expected=f"une panne à l'étape « {step} » : un flow « {expected[0]} », aucun run MLflow RUNNING, "
            f"fichiers : {expected[1]}",
            got=f"{record} ; {made}",
        )
    record = produce(made, candidates)

    left, runs = (record.state.name, *made.left), len(candidates)
    assert left == ("Completed", runs, ["1 champion"], ["predictions.csv"]), explain(
        expected=f"après une panne à l'étape « {', puis '.join(crashes)} », un run « Completed », "
        f"{runs} run(s) FINISHED, « 1 champion », predictions.csv",
        got=f"{record} ; {made}",
    )


class Crowd:
    """Compte les entraînements en cours. Les deux premiers s'attendent, et laissent au troisième le temps de venir."""

    def __init__(self) -> None:
        self.peak = 0
        self._inside = 0
        self._lock = threading.Lock()
        self._two, self._three = threading.Event(), threading.Event()

    def enter(self, train: pd.DataFrame, C: float, experiment: str) -> str:
        """Tient la place de l'entraînement."""
        with self._lock:
            self._inside += 1
            self.peak = max(self.peak, self._inside)
            for moment, count in ((self._two, 2), (self._three, 3)):
                if self._inside >= count:
                    moment.set()
        self._two.wait(MEETING_SECONDS)
        self._three.wait(LATECOMER_SECONDS)
        # Qui n'est pas venu ne viendra plus : les suivants n'attendent personne.
        self._two.set()
        self._three.set()
        with self._lock:
            self._inside -= 1
        raise ValueError("assez vu")


@contextmanager
def crash_at(step: str) -> Iterator[list[str]]:
    """Une panne à cette étape, tant que dure le bloc ; rend les pannes qui ont eu lieu."""
    import mlflow
    from mlflow.tracking._model_registry.client import ModelRegistryClient

    crashed: list[str] = []

    def crash(*arguments: object, **keywords: object) -> None:
        crashed.append(step)
        raise RuntimeError(f"panne : {step}")

    def half_written(table: pd.DataFrame, path: Path, *arguments: object, **keywords: object) -> None:
        Path(path).write_text("customer_id,", encoding="utf-8")
        crash()

    targets = {
        "download": (production, "download_customers", crash),
        "train": (churn, "train_model", crash),
        "log_model": (mlflow.sklearn, "log_model", crash),
        "register": (ModelRegistryClient, "create_model_version", crash),
        "alias": (ModelRegistryClient, "set_registered_model_alias", crash),
        "write": (pd.DataFrame, "to_csv", half_written),
    }
    with patch.object(*targets[step]):
        yield crashed


@pytest.fixture(scope="module")
def logged(mlflow_store, tmp_path_factory) -> Iterator[list[str]]:
    """Les runs MLflow de deux candidats déjà entraînés, un faible puis un bon."""
    with new_production(tmp_path_factory.mktemp("logged")) as made:
        customers = churn.load_customers()
        yield [production.log_candidate(customers.head(rows), 1.0, made.name) for rows in (20, 300)]


@pytest.fixture
def customers(source) -> pd.DataFrame:
    return _customers(source)


@pytest.fixture
def webhook(monkeypatch) -> Iterator[list[dict]]:
    """Les messages reçus par un vrai point d'entrée HTTP, à l'adresse de `DISCORD_WEBHOOK_URL`."""
    received: list[dict] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Ne dit rien."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("DISCORD_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/")
        yield received
        server.shutdown()


def _with_other_code(task):
    """Une task qui a le cache de celle-ci, comme si l'on avait modifié son code."""
    # Sans décorateur, il n'y a pas de cache : `run` le dira mieux.
    return type(task)(_train_nothing, cache_policy=task.cache_policy) if hasattr(task, "cache_policy") else task


def _train_nothing(train: pd.DataFrame, C: float, experiment: str) -> str:
    return "rien"


def _client():
    import mlflow

    return mlflow.MlflowClient()


def _customers(source: FlakySource) -> pd.DataFrame:
    return production.download_customers(source.url)


def _told(predictions: pd.DataFrame) -> str:
    if predictions.empty:
        return "aucune prédiction"
    mean = predictions["churn_probability"].mean()
    return f"{len(predictions)} lignes, {int(predictions['churn'].sum())} départs, {mean:.4f} de probabilité moyenne"
