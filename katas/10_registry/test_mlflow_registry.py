"""Un vrai registre MLflow, et un vrai serveur HTTP devant le modèle. Chaque test a son modèle enregistré, à son nom."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest
import requests

from atelier import churn
from atelier.feedback.verdict import explain
from atelier.machine.ports import free_port
from atelier.mlflow.model_server import model_server

ROWS = 60


@dataclass(frozen=True)
class Models:
    """Trois modèles rangés dans MLflow, par leur adresse, et des clients qu'aucun n'a vus."""

    weak: object
    good: object
    uris: dict[str, str]
    holdout: pd.DataFrame

    @cached_property
    def gain(self) -> float:
        """De combien le bon dépasse le faible."""
        return self.gain_on(self.holdout)

    def gain_on(self, customers: pd.DataFrame) -> float:
        """De combien le bon dépasse le faible, sur ces clients-là."""
        weak, good = (churn.evaluate_model(model, customers)["auc"] for model in (self.weak, self.good))
        return good - weak


@pytest.fixture(scope="module")
def models(mlflow_store) -> Models:
    """Un modèle faible, un bon, et un dernier qui veut une colonne que personne n'a."""
    from sklearn.base import clone

    train, holdout = churn.split_customers(churn.load_customers().head(1500))
    features = churn.engineer_features(train)
    weak, good = churn.train_model(train.tail(ROWS)), churn.train_model(train)
    odd = clone(good).fit(features.assign(zodiac=1.0), train[churn.TARGET])
    examples = {"weak": (weak, features), "good": (good, features), "odd": (odd, features.assign(zodiac=1.0))}
    uris = {name: _logged(model, example.head(3)) for name, (model, example) in examples.items()}
    return Models(weak, good, uris, holdout)


@dataclass(frozen=True)
class Registry:
    """Un modèle enregistré sous ce nom, tel que MLflow le connaît."""

    name: str

    @property
    def aliases(self) -> dict[str, str]:
        """La version que porte chaque alias."""
        found = _client().get_registered_model(self.name).aliases
        return {alias: str(version) for alias, version in found.items()}

    @property
    def versions(self) -> list[str]:
        """Les versions, dans l'ordre."""
        return sorted(str(found.version) for found in _client().search_model_versions(f"name = '{self.name}'"))

    def tags(self, version: str) -> dict[str, str]:
        """Les tags d'une version."""
        return _client().get_model_version(self.name, version).tags

    def register(self, uri: str, alias: str) -> None:
        """Enregistre une version de plus, et lui donne cet alias."""
        # `mlflow.register_model` tenterait d'abord, à chaque fois, de créer le modèle : deux fois plus long.
        made = _client().create_model_version(self.name, uri, model_id=uri.rpartition("/")[2], await_creation_for=0)
        self.point(alias, made.version)

    def point(self, alias: str, version: str) -> None:
        """Donne cet alias à cette version."""
        _client().set_registered_model_alias(self.name, alias, version)


@pytest.fixture
def registry(models) -> Iterator[Registry]:
    """Un nom que personne d'autre n'emploie ; tout ce qui le porte disparaît à la fin."""
    name = f"churn-test-{uuid4().hex[:8]}"
    _client().create_registered_model(name)
    yield Registry(name)
    _client().delete_registered_model(name)


@pytest.fixture
def duel(registry, models) -> Registry:
    """Un champion faible (version 1), un bon challenger (version 2)."""
    for name, alias in (("weak", "champion"), ("good", "challenger")):
        registry.register(models.uris[name], alias)
    return registry


@pytest.fixture
def crowd(duel, models) -> Registry:
    """De même, et une version 3 aussi faible que la première."""
    duel.register(models.uris["weak"], "draft")
    return duel


@pytest.fixture
def served_champion(duel) -> Iterator[str]:
    """L'adresse du champion, servi par la commande du README sur un port libre."""
    with model_server(f"models:/{duel.name}@champion") as url:
        yield url


@pytest.mark.todo(1)
def test_gain_compares_challenger_and_champion(kata, crowd, models):
    """Le gain est l'AUC du challenger moins celle du champion, chacun trouvé par son alias."""
    gain = kata.auc_gain(crowd.name, models.holdout)

    assert gain == pytest.approx(models.gain), explain(
        expected=f"un gain de {models.gain:+.4f} : champion en version 1, challenger en version 2", got=_number(gain)
    )


@pytest.mark.todo(1)
def test_gain_is_measured_on_the_given_customers(kata, duel, models):
    """Les deux modèles sont mesurés sur les clients reçus, et sur eux seuls."""
    others = models.holdout.sample(200, random_state=11)
    gain = kata.auc_gain(duel.name, others)

    assert gain == pytest.approx(models.gain_on(others)), explain(
        expected=f"sur ces 200 clients, un gain de {models.gain_on(others):+.4f}", got=_number(gain)
    )


@pytest.mark.todo(2)
def test_first_model_becomes_champion(kata, registry, models):
    """Sans champion, le premier challenger le devient."""
    kata.register_challenger(registry.name, models.weak, churn.engineer_features(models.holdout))

    promoted = kata.promote_if_better(registry.name, models.holdout, "ada")

    assert (promoted, registry.aliases.get("champion")) == (True, "1"), explain(
        expected="True, et l'alias « champion » sur la version 1", got=f"{promoted}, alias : {registry.aliases}"
    )


@pytest.mark.todo(2)
def test_better_challenger_is_promoted(kata, duel, models):
    """Un challenger qui gagne plus que la marge prend l'alias du champion ; l'ancien reste connu sous « previous »."""
    kata.MARGIN = models.gain * 0.9

    promoted = kata.promote_if_better(duel.name, models.holdout, "ada")

    aliases = {alias: duel.aliases.get(alias) for alias in ("champion", "previous")}
    assert (promoted, aliases) == (True, {"champion": "2", "previous": "1"}), explain(
        expected="True, « champion » sur la version 2, « previous » sur la version 1",
        got=f"{promoted}, alias : {duel.aliases}",
    )


@pytest.mark.todo(2)
def test_gain_below_the_margin_changes_nothing(kata, duel, models):
    """Un challenger meilleur, mais de moins que la marge, n'est pas promu : ni alias, ni tag."""
    kata.MARGIN = models.gain * 1.1
    before = duel.aliases

    promoted = kata.promote_if_better(duel.name, models.holdout, "ada")

    assert (promoted, duel.aliases, duel.tags("2")) == (False, before, {}), explain(
        expected=f"False, les mêmes alias qu'avant ({before}), aucun tag sur la version 2",
        got=f"{promoted}, alias : {duel.aliases}, tags : {duel.tags('2')}",
    )


@pytest.mark.todo(2)
def test_worse_challenger_is_not_promoted(kata, crowd, models):
    """Un challenger moins bon n'est jamais promu, quel que soit l'écart."""
    crowd.point("champion", "2")
    crowd.point("challenger", "3")
    before = crowd.aliases

    promoted = kata.promote_if_better(crowd.name, models.holdout, "ada")

    assert (promoted, crowd.aliases) == (False, before), explain(
        expected=f"False, les mêmes alias qu'avant ({before})", got=f"{promoted}, alias : {crowd.aliases}"
    )


@pytest.mark.todo(2)
def test_promotion_says_who_and_why(kata, duel, models):
    """La version promue porte le nom de qui l'a promue, et le gain qui l'a décidé."""
    kata.promote_if_better(duel.name, models.holdout, "grace")

    tags = duel.tags("2")
    said = (tags.get("promoted_by"), _float(tags.get("auc_gain")))
    assert said == ("grace", pytest.approx(models.gain, abs=1e-3)), explain(
        expected=f"sur la version 2, les tags promoted_by=grace et auc_gain={models.gain:.4f}", got=tags or "aucun tag"
    )


@pytest.mark.todo(2)
def test_promoting_twice_changes_nothing(kata, duel, models):
    """Relancé sans nouveau challenger, rien ne bouge : l'ancien champion n'est pas oublié."""
    kata.promote_if_better(duel.name, models.holdout, "ada")
    before = duel.aliases
    assert before.get("champion") == "2", explain(expected="« champion » sur la version 2", got=f"alias : {before}")

    again = kata.promote_if_better(duel.name, models.holdout, "ada")

    assert (again, duel.aliases) == (False, before), explain(
        expected=f"la seconde fois : False, et les mêmes alias ({before})", got=f"{again}, alias : {duel.aliases}"
    )


@pytest.mark.todo(3)
def test_rollback_restores_the_former_champion(kata, crowd):
    """Le champion redevient celui d'avant, même si d'autres versions sont passées entre les deux."""
    crowd.point("previous", "1")
    crowd.point("champion", "3")

    version = kata.rollback(crowd.name)

    assert (str(version), crowd.aliases["champion"]) == ("1", "1"), explain(
        expected="la version 1 rendue, et l'alias « champion » sur elle",
        got=f"{version!r} rendu, alias : {crowd.aliases}",
    )


@pytest.mark.todo(3)
def test_rollback_deletes_nothing(kata, crowd):
    """La version retirée reste dans le registre : on voudra savoir ce qui n'allait pas."""
    crowd.point("previous", "1")
    crowd.point("champion", "3")

    kata.rollback(crowd.name)

    assert crowd.versions == ["1", "2", "3"], explain(
        expected="les versions 1, 2 et 3 toujours là", got=f"versions : {crowd.versions}"
    )


@pytest.mark.todo(3)
def test_rollback_without_former_champion_fails(kata, registry, models):
    """Sans champion d'avant, c'est une erreur, et le champion reste en place."""
    registry.register(models.uris["weak"], "champion")
    registry.register(models.uris["good"], "challenger")

    error = _error_of(kata.rollback, registry.name)

    assert (error is not None, registry.aliases["champion"]) == (True, "1"), explain(
        expected="une erreur, et l'alias « champion » toujours sur la version 1",
        got=f"{'une erreur' if error else 'aucune erreur'}, alias : {registry.aliases}",
    )


@pytest.mark.todo(4)
def test_batch_follows_the_champion(kata, duel, models, tmp_path):
    """Les prédictions sont celles du champion du moment ; quand l'alias change de version, elles changent."""
    customers, path = models.holdout.head(ROWS), tmp_path / "predictions.csv"

    for version, model in (("1", models.weak), ("2", models.good)):
        duel.point("champion", version)
        kata.score_batch(duel.name, customers, path)

        expected, got = churn.predict_churn(model, customers), _read(path)
        assert _same(expected, got), explain(
            expected=f"« champion » sur la version {version} : ses {ROWS} prédictions, sans l'index",
            got=_described(got, expected),
        )


@pytest.mark.todo(4)
def test_interrupted_batch_leaves_the_former_file(kata, duel, models, tmp_path, monkeypatch):
    """Une écriture coupée au milieu laisse l'ancien fichier entier : personne ne lit une moitié de prédictions."""
    path = tmp_path / "predictions.csv"
    path.write_text("les prédictions d'hier\n", encoding="utf-8")
    monkeypatch.setattr(pd.DataFrame, "to_csv", _half_written)

    error = _error_of(kata.score_batch, duel.name, models.holdout.head(ROWS), path)

    content = path.read_text(encoding="utf-8") if path.exists() else "plus rien"
    assert (type(error), content) == (OSError, "les prédictions d'hier\n"), explain(
        expected="le disque se remplit au milieu : une OSError, et le fichier d'hier intact",
        got=f"{error!r}, et le fichier contient « {content[:40].strip()} »",
    )


@pytest.mark.todo(4)
def test_batch_leaves_only_its_file(kata, duel, models, tmp_path):
    """Une fois fini, il ne reste que le fichier des prédictions, à sa place."""
    kata.score_batch(duel.name, models.holdout.head(ROWS), tmp_path / "predictions.csv")

    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["predictions.csv"], explain(expected="un seul fichier, predictions.csv", got=", ".join(names))


@pytest.mark.todo(5)
def test_online_answers_equal_batch_answers(kata, duel, models):
    """Par HTTP ou par lot, le même modèle répond la même chose aux mêmes clients."""
    customers = models.holdout.tail(ROWS)
    with serving(f"models:/{duel.name}@challenger") as url:
        answers = kata.score_online(url, customers)

    expected = churn.predict_churn(models.good, customers)["churn"].tolist()
    assert answers == expected, explain(
        expected=f"les {ROWS} réponses 0 ou 1 du modèle servi, {expected[:5]}…", got=f"{answers!r:.80}"
    )


@pytest.mark.todo(5)
def test_refusal_is_told_with_its_reason(kata, registry, models):
    """Le serveur refuse une demande mal faite : l'erreur donne la raison qu'il donne, lui."""
    registry.register(models.uris["odd"], "challenger")
    with serving(f"models:/{registry.name}@challenger") as url:
        error = _error_of(kata.score_online, url, models.holdout.head(3))

    assert (type(error), "zodiac" in str(error)) == (ValueError, True), explain(
        expected="le modèle servi veut une colonne « zodiac » : une ValueError qui répète la raison du serveur",
        got=f"{type(error).__name__} : {error!s:.120}" if error else "aucune erreur",
    )


@pytest.mark.todo(5)
def test_silent_server_does_not_hold_the_caller(kata, models):
    """Un serveur qui se tait ne retient personne : au bout du délai, une erreur."""
    kata.TIMEOUT_SECONDS = 0.2
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = _error_of(kata.score_online, f"http://127.0.0.1:{silent.getsockname()[1]}", models.holdout.head(3))

    assert isinstance(error, requests.Timeout), explain(
        expected="une connexion acceptée mais sans réponse : `requests` abandonne après TIMEOUT_SECONDS",
        got=f"{type(error).__name__} : {error!s:.120}" if error else "aucune erreur",
    )


@pytest.mark.slow
@pytest.mark.todo(5)
def test_real_server_serves_the_champion(kata, served_champion, models):
    """`mlflow models serve`, dans son propre processus, répond comme le lot."""
    customers = models.holdout.head(ROWS)
    answers = kata.score_online(served_champion, customers)

    expected = churn.predict_churn(models.weak, customers)["churn"].tolist()
    assert answers == expected, explain(expected=f"les réponses du champion, {expected[:5]}…", got=f"{answers!r:.80}")


@contextmanager
def serving(model_uri: str) -> Iterator[str]:
    """Le serveur de modèles de MLflow, dans un thread : une vraie adresse HTTP, en un dixième de seconde."""
    import mlflow.pyfunc
    import uvicorn
    from mlflow.pyfunc import scoring_server

    app = scoring_server.init(mlflow.pyfunc.load_model(model_uri))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=free_port(), log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.config.port}"
    finally:
        server.should_exit = True
        thread.join()


def _half_written(table: pd.DataFrame, path: Path, *arguments: object, **keywords: object) -> None:
    Path(path).write_text("customer_id,churn_prob", encoding="utf-8")
    raise OSError("plus de place sur le disque")


def _client():
    import mlflow

    return mlflow.MlflowClient()


def _logged(model: object, example: pd.DataFrame) -> str:
    import mlflow

    from atelier.mlflow.probe import new_experiment

    with mlflow.start_run(experiment_id=new_experiment("10_registry").id):
        return mlflow.sklearn.log_model(model, name="model", input_example=example).model_uri


def _read(path: Path) -> pd.DataFrame | None:
    return pd.read_csv(path) if path.exists() else None


def _same(expected: pd.DataFrame, got: pd.DataFrame | None) -> bool:
    if got is None or list(got.columns) != list(expected.columns) or len(got) != len(expected):
        return False
    return bool(abs(got - expected.reset_index(drop=True)).max().max() < 1e-9)


def _described(got: pd.DataFrame | None, expected: pd.DataFrame) -> str:
    if got is None:
        return "aucun fichier"
    if list(got.columns) != list(expected.columns):
        return f"des colonnes {', '.join(map(str, got.columns))}"
    return f"{len(got)} lignes, dont la première : {got.iloc[0].round(3).to_dict()}"


def _number(value: object) -> str:
    return f"{value:+.4f}" if isinstance(value, float) else repr(value)


def _float(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _error_of(function: Callable[..., object], *arguments: object) -> Exception | None:
    try:
        function(*arguments)
    except NotImplementedError:
        raise
    except Exception as error:
        return error
    return None
