"""Les runs vont dans un vrai MLflow, celui qui répond ou une base neuve ; les tests relisent ce qu'il a gardé."""

import io
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from threading import Barrier, BrokenBarrierError
from typing import Any, NamedTuple
from uuid import UUID

import pandas as pd
import pytest

from atelier import churn
from atelier.feedback.verdict import explain
from atelier.figures import confusion_matrix

# Une fonction que l'étudiant aurait décorée en task doit, elle aussi, trouver le serveur.
pytestmark = pytest.mark.usefixtures("prefect_server")

MEETING_SECONDS = 2.0


class Training(NamedTuple):
    """Un entraînement fini : ses clients, ceux du test, le modèle."""

    train: pd.DataFrame
    test: pd.DataFrame
    model: Any


class Linked(NamedTuple):
    """Un run MLflow et un flow run, passés par `link_runs` ; les artifacts du flow run, par clé."""

    mlflow_run: Any
    flow_run_id: str
    flow_run_name: str
    artifacts: dict[str, str]


@pytest.fixture(scope="module")
def training() -> Training:
    train, test = churn.split_customers(churn.load_customers().sample(400, random_state=9))
    return Training(train, test, churn.train_model(train, C=0.001))


@pytest.fixture
def written(kata, experiment, once) -> Callable[..., Any]:
    """Fait écrire une fonction du kata dans un run ouvert, et rend ce que MLflow a gardé de ce run."""

    def written(name: str, *arguments: Any) -> Any:
        def write() -> Any:
            with experiment.open_run() as opened:
                getattr(kata, name)(*arguments)
            return opened.read()

        return once(name, write)

    return written


@pytest.fixture
def reload(written, training, once) -> Callable[[], Any]:
    """Recharge le modèle que le kata a rangé."""

    def reload() -> Any:
        kept = written("log_model", training.model, training.train)
        return once("reloaded", lambda: kept.model("model"))

    return reload


@pytest.fixture
def link(kata, run, experiment, once) -> Callable[[], Linked]:
    """Ouvre un run MLflow dans un flow run, que le kata relie."""
    from prefect import flow
    from prefect.runtime import flow_run

    @flow
    def linking() -> tuple:
        with experiment.open_run() as opened:
            kata.link_runs(opened.run)
        return opened, flow_run.id, flow_run.name

    def run_it() -> Linked:
        record = run(linking)
        if record.error:
            raise record.error
        opened, flow_run_id, name = record.value
        return Linked(opened.read(), flow_run_id, name, _artifacts(flow_run_id))

    return lambda: once("link_runs", run_it)


@pytest.fixture
def meeting(monkeypatch) -> None:
    """Les deux premiers entraînements s'attendent : ce qui se mélangerait par malchance se mélange à coup sûr."""
    barrier, turns, train_model = Barrier(2), count(), churn.train_model

    def meet_then_train(*arguments: Any, **settings: Any) -> Any:
        if next(turns) < barrier.parties:
            with suppress(BrokenBarrierError):  # l'un après l'autre : ce n'est pas la règle de ces tests
                barrier.wait(MEETING_SECONDS)
        return train_model(*arguments, **settings)

    monkeypatch.setattr(churn, "train_model", meet_then_train)


@pytest.mark.todo(1)
def test_run_keeps_the_parameter(written, training):
    """Le run garde la valeur de `C` : sans elle, personne ne referait ce modèle."""
    kept = written("log_inputs", training.train, 0.3)

    assert kept.params.get("C") == "0.3", explain(
        expected="pour C=0.3, un paramètre `C` qui vaut 0.3", got=f"paramètres du run : {kept.params or 'aucun'}"
    )


@pytest.mark.todo(1)
def test_run_keeps_the_dataset(written, training):
    """Le run garde l'empreinte des clients qui ont servi à entraîner, et dit à quoi ils ont servi."""
    kept = written("log_inputs", training.train, 0.3)

    expected, found = _customers(training.train), [_told(dataset) for dataset in kept.datasets]
    assert found == [expected], explain(
        expected=f"un dataset, celui de `train` : {expected}", got=" ; ".join(found) or "aucun dataset"
    )


@pytest.mark.todo(2)
def test_metrics_tell_train_from_test(written, training):
    """Chaque mesure dit sur quels clients elle est prise : ceux du train, ou ceux du test."""
    kept = written("log_results", training.model, training.train, training.test)

    train, test, model = training
    expected = _metrics("train", model, train) | _metrics("test", model, test)
    assert kept.metrics | expected == pytest.approx(kept.metrics), explain(
        expected=f"recalculées : {_rounded(expected)}", got=f"mesures du run : {_rounded(kept.metrics) or 'aucune'}"
    )


@pytest.mark.todo(2)
def test_figure_is_that_of_the_test(written, training):
    """La figure jointe est la matrice de confusion du test, la seule qui dise ce que vaudra le modèle."""
    kept = written("log_results", training.model, training.train, training.test)

    seen = _pixels(kept.file("confusion_matrix.png"))
    assert seen == _drawn(training.model, training.test), explain(
        expected="dans confusion_matrix.png, la figure que `confusion_matrix` dessine pour le test",
        got="celle du train" if seen == _drawn(training.model, training.train) else "une autre image",
    )


@pytest.mark.todo(3)
def test_logged_model_predicts_the_same(reload, training):
    """Le modèle rangé, une fois rechargé, prédit comme celui qu'on a entraîné."""
    features = churn.engineer_features(training.test)
    expected = training.model.predict(features).tolist()
    predicted, refusal = _predictions(reload(), features)
    assert predicted == expected, explain(
        expected=f"pour les {len(expected)} clients du test, les prédictions du modèle qu'on a rangé",
        got=refusal or _told_difference(predicted, expected, training.model, features),
    )


@pytest.mark.todo(3)
def test_logged_model_says_what_it_expects(reload, training):
    """Le modèle rangé dit quelles colonnes il attend et ce qu'il rend, et le montre sur trois lignes d'exemple."""
    expected = {
        "colonnes attendues": list(churn.engineer_features(training.train)),
        "réponse": "dite",
        "lignes d'exemple": 3,
    }
    found = _description(reload())
    assert found == expected, explain(expected=_differing(expected, found), got=_differing(found, expected))


@pytest.mark.todo(4)
def test_mlflow_run_names_its_flow_run(link):
    """Les tags du run MLflow disent de quel flow run il vient : son identifiant et son nom."""
    linked = link()

    expected = {"prefect.flow_run_id": linked.flow_run_id, "prefect.flow_run_name": linked.flow_run_name}
    tags = linked.mlflow_run.tags
    assert tags | expected == tags, explain(expected=f"les tags {expected}", got=f"tags du run : {tags or 'aucun'}")


@pytest.mark.todo(4)
def test_flow_run_leads_to_its_mlflow_run(link):
    """Dans Prefect, un lien du flow run mène à la page du run MLflow."""
    linked = link()

    url, artifacts = linked.mlflow_run.url, linked.artifacts
    assert url in artifacts.get("mlflow-run", ""), explain(
        expected=f"un artifact de clé « mlflow-run », qui mène à {url}",
        got=f"artifacts du flow run : {artifacts or 'aucun'}",
    )


@pytest.mark.todo(5)
def test_each_candidate_has_its_own_run(kata, run, experiment, meeting):
    """Chaque candidat a son run dans l'expérience demandée, à son nom, fermé, avec ses mesures à lui."""
    candidates = [0.0001, 10.0]
    record = run(kata.compare_candidates, candidates, experiment.name)

    runs = {found.id: found for found in experiment.runs()}
    returned = [runs.pop(id, None) for id in record.value] if isinstance(record.value, list) else []
    found, others = [_summary(one) for one in returned], [_summary(one) for one in runs.values()]
    expected = [f"C={C} ({C}, FINISHED, 1 dataset, 1 modèle, relié)" for C in candidates]
    assert (found, others) == (expected, []), explain(
        expected=f"deux runs dans l'expérience, que rend le flow : {', puis '.join(expected)}",
        got=f"flow {record} ; runs rendus : {', puis '.join(found) or 'aucun'} ; "
        f"autres runs : {', '.join(others) or 'aucun'}{_told_elsewhere(experiment)}",
    )
    for C, one in zip(candidates, returned, strict=True):
        recomputed = _test_metrics(C)
        assert one.metrics | recomputed == pytest.approx(one.metrics), explain(
            expected=f"pour C={C}, recalculées : {_rounded(recomputed)}",
            got=f"{_rounded(one.metrics) or 'aucune mesure'}{_told_leak(one.metrics, C)}",
        )


@pytest.mark.todo(5)
def test_failed_training_is_told(kata, run, experiment):
    """Un entraînement qui échoue laisse un run FAILED, qui dit lequel c'était ; le flow échoue aussi."""
    record = run(kata.compare_candidates, [-1.0], experiment.name)

    found = [_summary(one) for one in experiment.runs()]
    expected = ["C=-1.0 (-1.0, FAILED, 1 dataset, 0 modèle, relié)"]
    assert (record.state.name, found) == ("Failed", expected), explain(
        expected=f"pour C=-1.0, que scikit-learn refuse : un flow Failed, et un run {expected[0]}",
        got=f"un flow {record.state.name} ; {', '.join(found) or 'aucun run'}{_told_elsewhere(experiment)}",
    )


def _customers(train: pd.DataFrame) -> str:
    from mlflow.data import from_pandas

    return f"« customers », {len(train)} lignes, empreinte {from_pandas(train).digest}, contexte « training »"


def _told(dataset: Any) -> str:
    return f"« {dataset.name} », {dataset.rows} lignes, empreinte {dataset.digest}, contexte « {dataset.context} »"


def _metrics(split: str, model: Any, customers: pd.DataFrame) -> dict[str, float]:
    measured = churn.evaluate_model(model, customers)
    return {f"{split}_{name}": measured[name] for name in ("accuracy", "auc")}


def _test_metrics(C: float, *, leak: bool = False) -> dict[str, float]:
    """Les mesures du candidat sur les clients du test ; avec `leak`, s'il a aussi appris sur eux."""
    customers = churn.load_customers()
    train, test = churn.split_customers(customers)
    return _metrics("test", churn.train_model(customers if leak else train, C=C), test)


def _told_leak(metrics: dict[str, float], C: float) -> str:
    leaked = metrics | _test_metrics(C, leak=True) == pytest.approx(metrics)
    return " : un modèle qui a aussi appris sur le test" if leaked else ""


def _rounded(metrics: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in metrics.items()}


def _drawn(model: Any, customers: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    confusion_matrix(model, customers).savefig(file)
    return _pixels(file.getvalue())


def _pixels(png: bytes) -> bytes:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(io.BytesIO(png)).tobytes()
    except UnidentifiedImageError:
        return b""


def _predictions(model: Any, features: pd.DataFrame) -> tuple[list, str]:
    """Ce que prédit le modèle rechargé ; sinon, pourquoi il s'y refuse."""
    try:
        return model.predict(features).tolist(), ""
    except Exception as error:
        return [], f"le modèle rechargé refuse ces clients : {str(error).splitlines()[0]}"


def _told_difference(predicted: list, expected: list[int], model: Any, features: pd.DataFrame) -> str:
    different = sum(one != other for one, other in zip(predicted, expected, strict=True))
    unscaled = predicted == model[-1].predict(features.to_numpy()).tolist()
    return f"{different} prédictions différentes" + (
        ", celles du classifieur sans mise à l'échelle" if unscaled else ""
    )


def _description(model: Any) -> dict[str, Any]:
    signature, example = model.metadata.signature, model.input_example
    return {
        "colonnes attendues": signature.inputs.input_names() if signature else "non dites",
        "réponse": "dite" if signature and signature.outputs else "non dite",
        "lignes d'exemple": 0 if example is None else len(example),
    }


def _differing(values: dict[str, Any], others: dict[str, Any]) -> str:
    return " ; ".join(f"{name} : {value}" for name, value in values.items() if value != others[name])


def _artifacts(flow_run_id: str) -> dict[str, str]:
    """Les artifacts du flow run, que Prefect range par clé."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    of_this_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(flow_run_id)]))
    with get_client(sync_client=True) as client:
        return {str(found.key): str(found.data) for found in client.read_artifacts(artifact_filter=of_this_run)}


def _summary(run: Any) -> str:
    if run is None:
        return "un identifiant inconnu"
    kept = f"{len(run.datasets)} dataset, {len(run.models)} modèle"
    linked = "relié" if "prefect.flow_run_id" in run.tags else "non relié"
    return f"{run.name} ({run.params.get('C', 'C non noté')}, {run.status}, {kept}, {linked})"


def _told_elsewhere(experiment: Any) -> str:
    names = experiment.elsewhere()
    return f" ; des runs dans une autre expérience : {', '.join(names)}" if names else ""
