"""Chaque test matérialise pour de vrai, sur une instance de Dagster vide, des assets tirés de clients inconnus."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from atelier import churn
from atelier.dagster.probe import LAUNCH
from atelier.feedback.verdict import explain
from atelier.model_views import score_histogram, weights_table

ASSETS = {"customers", "training_customers", "holdout_customers", "model", "predictions"}
CHECK = "model_beats_majority"
USELESS = {"model": {"C": 0.000001}}  # ce modèle répond toujours « il reste »
PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    return churn.load_customers().sample(400, random_state=7).reset_index(drop=True)


@pytest.fixture(scope="module")
def parts(customers) -> dict[str, pd.DataFrame]:
    """Deux parties qu'aucun découpage de `customers` ne donnerait."""
    return {"training_customers": customers[:250], "holdout_customers": customers[250:]}


@pytest.fixture(scope="module")
def foreign_model(customers):
    """Un modèle entraîné ailleurs, et à l'envers : aucun autre ne prédit comme lui."""
    return churn.train_model(customers.assign(churned=1 - customers["churned"]))


@pytest.fixture
def csv_reads(customers, monkeypatch) -> list[tuple]:
    """Les lectures du fichier des clients, qui contient `customers`."""
    reads = []
    monkeypatch.setattr(churn, "load_customers", lambda *path: reads.append(path) or customers.copy())
    return reads


@pytest.fixture
def trainings(monkeypatch) -> list[pd.DataFrame]:
    """Les clients de chaque entraînement."""
    seen, train_model = [], churn.train_model
    monkeypatch.setattr(
        churn, "train_model", lambda train, **options: seen.append(train) or train_model(train, **options)
    )
    return seen


@pytest.fixture
def train(kata, dagster, parts):
    """Matérialise le modèle seul, sans son check, à partir de `parts` ; rend ce modèle et ses métadonnées."""
    dagster.store(**parts)

    def train(**config: float) -> tuple[Pipeline, dict]:
        record = dagster.materialize(kata.defs, "model", config={"model": config} if config else None, checks=False)
        chosen = f", avec {config}" if config else ""
        assert record.computed == ["model"], explain(expected=f"model calculé{chosen}", got=record)
        model = dagster.stored("model")
        assert isinstance(model, Pipeline), explain(
            expected="un modèle de `churn.train_model`", got=type(model).__name__
        )
        return model, record.metadata["model"]

    return train


@pytest.fixture
def train_by_default(train, once) -> Callable[[], tuple[Pipeline, dict]]:
    """De même, sans réglage, une fois pour plusieurs tests."""
    return lambda: once("model", train)


@pytest.mark.todo(1)
def test_arrows_follow_the_data(kata, dagster):
    """Le graphe a ses flèches : chaque asset reçoit ceux dont il se sert."""
    lineage = dagster.lineage(kata.defs)

    expected = {
        "training_customers": ["customers"],
        "holdout_customers": ["customers"],
        "predictions": ["customers", "model"],
    }
    seen = {asset: lineage.get(asset, "absent") for asset in expected}
    assert seen == expected, explain(
        expected="une flèche depuis chaque asset qu'emploie la fonction, et aucune autre",
        got=f"d'où viennent les flèches, pour Dagster : {seen}",
    )


@pytest.mark.todo(1)
def test_parts_come_from_the_customers_dagster_kept(kata, dagster, customers, csv_reads):
    """Les deux parties viennent des clients que Dagster a gardés ; le fichier n'est pas relu."""
    others = customers.sample(200, random_state=1)
    dagster.store(customers=others)

    record = dagster.materialize(kata.defs, *(names := ("training_customers", "holdout_customers")))

    assert not record.error, explain(expected="deux assets calculés, à partir de clients relus", got=record)
    seen = [dagster.stored(name) for name in names]
    are_parts = all(_equal(part, whole) for part, whole in zip(seen, churn.split_customers(others), strict=True))
    assert (are_parts, csv_reads) == (True, []), explain(
        expected="les 150 et 50 clients de ce découpage de 200 clients, gardés d'un run précédent ; fichier lu 0 fois",
        got=f"{' et '.join(map(_size, seen))} ; fichier lu {len(csv_reads)} fois",
    )


@pytest.mark.todo(1)
def test_predictions_come_from_the_model_dagster_kept(kata, dagster, customers, foreign_model, csv_reads, trainings):
    """Les prédictions viennent du modèle et des clients que Dagster a gardés ; rien n'est entraîné."""
    others = customers.sample(200, random_state=1)
    dagster.store(customers=others, model=foreign_model)

    record = dagster.materialize(kata.defs, "predictions")

    assert not record.error, explain(
        expected="predictions calculé, à partir d'un modèle et de clients relus", got=record
    )
    seen = dagster.stored("predictions")
    is_prediction = _equal(seen, churn.predict_churn(foreign_model, others))
    assert (is_prediction, csv_reads, trainings) == (True, [], []), explain(
        expected="ce que ce modèle-là prédit de ces 200 clients ; fichier lu 0 fois, entraînements : 0",
        got=f"{_size(seen)}, {'bien' if is_prediction else 'mal'} prédits ; fichier lu {len(csv_reads)} fois, "
        f"entraînements : {len(trainings)}",
    )


@pytest.mark.todo(2)
def test_c_is_chosen_at_launch(train, train_by_default):
    """Chaque lancement choisit son `C` ; s'il ne dit rien, `C` vaut 1.0."""
    launches = {"sans réglage": train_by_default(), "C = 0.01": train(C=0.01)}

    seen = {label: model[-1].C for label, (model, _) in launches.items()}

    expected = {"sans réglage": 1.0, "C = 0.01": 0.01}
    assert seen == expected, explain(expected=f"le C du modèle : {expected}", got=seen)


@pytest.mark.todo(2)
def test_c_is_a_number(kata, dagster, train):
    """`C` est un nombre : Dagster refuse un texte avant de rien lancer."""
    train(C=2)

    record = dagster.materialize(kata.defs, "model", config={"model": {"C": "beaucoup"}}, checks=False)

    assert (list(record.errors), record.computed) == ([LAUNCH], []), explain(
        expected="pour C = 2, model calculé ; pour C = « beaucoup », un lancement refusé",
        got=f"pour le second, {record}",
    )


@pytest.mark.todo(2)
def test_model_learns_from_training_customers(train, parts, trainings):
    """Le modèle apprend des clients d'entraînement, tels que Dagster les a gardés, et d'eux seuls."""
    model, _ = train()

    expected = churn.train_model(parts["training_customers"])
    assert np.allclose(model[-1].coef_, expected[-1].coef_), explain(
        expected="un modèle entraîné sur les 250 clients de training_customers",
        got=f"un autre ; clients de chaque entraînement : {[len(seen) for seen in trainings[:-1]]}",
    )


@pytest.mark.todo(2)
def test_retraining_reads_what_comes_before(kata, dagster, csv_reads):
    """Réentraîner avec un autre `C` relit les deux parties : rien de ce qui précède n'est recalculé."""
    names = ["customers", "training_customers", "holdout_customers", "model"]
    first = dagster.materialize(kata.defs, *names, checks=False)
    assert not first.error, explain(expected="quatre assets calculés", got=first)

    record = dagster.materialize(kata.defs, "model", config={"model": {"C": 0.01}}, checks=False)

    times = [dagster.times_materialized(name) for name in names]
    assert (record.computed, sorted(record.loaded), times, len(csv_reads)) == (
        ["model"],
        ["holdout_customers", "training_customers"],
        [1, 1, 1, 2],
        1,
    ), explain(
        expected="au second run, model calculé et ses deux parties relues ; fichier lu 1 fois en tout",
        got=f"{record} ; fichier lu {len(csv_reads)} fois",
    )


@pytest.mark.todo(3)
def test_measures_are_those_of_the_holdout(train_by_default, parts):
    """Les mesures sont celles de ce modèle sur les clients qu'il n'a jamais vus."""
    model, metadata = train_by_default()

    expected = churn.evaluate_model(model, parts["holdout_customers"])
    seen = {name: _value(metadata, name) for name in expected}
    assert seen == pytest.approx(expected), explain(
        expected=f"recalculées sur holdout_customers : {_rounded(expected)}", got=_rounded(seen)
    )


@pytest.mark.todo(3)
def test_rows_and_features_are_those_of_the_training(train_by_default):
    """`training_rows` compte les clients d'entraînement ; `features` nomme ce que le modèle regarde."""
    model, metadata = train_by_default()

    expected = {"training_rows": 250, "features": list(model.feature_names_in_)}
    seen = {name: _value(metadata, name) for name in expected}
    assert seen == expected, explain(
        expected=f"{expected['training_rows']} clients, {len(expected['features'])} noms", got=seen
    )


@pytest.mark.todo(3)
def test_views_are_those_of_the_model(train_by_default, parts):
    """`weights` et `scores` sont du Markdown : le tableau et l'image de ce modèle, sur les clients qui le jugent."""
    model, metadata = train_by_default()

    expected = {"weights": weights_table(model), "scores": score_histogram(model, parts["holdout_customers"])}
    told = {name: _told_view(metadata.get(name), markdown) for name, markdown in expected.items()}
    assert set(told.values()) == {GOOD}, explain(
        expected="deux vues en Markdown, que l'interface met en forme", got=told
    )


@pytest.mark.todo(4)
def test_useless_model_blocks_what_follows(kata, dagster, customers, parts):
    """Un modèle inutile est gardé, son check échoue, et rien de ce qui en dépend n'est produit."""
    dagster.store(customers=customers, **parts)

    record = dagster.materialize(kata.defs, "model", "predictions", config=USELESS)

    assert (record.computed, record.checks, record.error) == (["model"], {CHECK: False}, None), explain(
        expected=f"model calculé ; {CHECK} raté ; predictions bloqué", got=record
    )


@pytest.mark.todo(4)
def test_useful_model_lets_the_rest_through(kata, dagster, customers, parts):
    """Un modèle utile passe son check, et la suite est produite."""
    dagster.store(customers=customers, **parts)

    record = dagster.materialize(kata.defs, "model", "predictions")

    assert (record.computed, record.checks) == (["model", "predictions"], {CHECK: True}), explain(
        expected=f"model calculé ; {CHECK} réussi ; predictions calculé", got=record
    )


@pytest.mark.todo(4)
def test_check_compares_with_the_most_frequent_answer(kata, dagster, foreign_model, customers):
    """Le check exige d'avoir plus souvent raison que la réponse la plus fréquente, sur les clients qui jugent."""
    cases = {
        "raison 12 fois sur 20, réponse la plus fréquente 10": ((6, 4, 6, 4), True),
        "raison 16 fois sur 20, réponse la plus fréquente 18": ((15, 3, 1, 1), False),
        "raison 10 fois sur 20, réponse la plus fréquente 10": ((5, 5, 5, 5), False),
        "raison 8 fois sur 20, réponse la plus fréquente 10": ((4, 6, 4, 6), False),
    }
    dagster.store(model=foreign_model)
    for label, (counts, expected) in cases.items():
        dagster.store(holdout_customers=_judges(foreign_model, customers, *counts))

        record = dagster.check(kata.defs, "model", CHECK)

        assert record.checks == {CHECK: expected}, explain(
            expected=f"{label} : un check {'réussi' if expected else 'raté'}",
            got=record if record.checks or record.error else "le check ne rend pas de résultat que Dagster comprenne",
        )


@pytest.mark.todo(5)
def test_schedule_is_at_six_in_paris_every_day(kata, dagster):
    """Le départ est à 06:00 à Paris, tous les jours, week-ends et changements d'heure compris."""
    fridays = [datetime(2027, 3, 26, 12, tzinfo=PARIS), datetime(2027, 10, 29, 12, tzinfo=PARIS)]

    seen = [
        f"{moment.astimezone(PARIS):%d/%m à %H:%M}"
        for friday in fridays
        for moment in dagster.next_ticks(kata.defs, friday, 3)
    ]

    days = ["27/03", "28/03", "29/03", "30/10", "31/10", "01/11"]
    expected = [f"{day} à 06:00" for day in days]
    assert seen == expected, explain(expected=f"à l'heure de Paris : {', '.join(expected)}", got=", ".join(seen))


@pytest.mark.todo(5)
def test_schedule_redoes_everything(kata, dagster, csv_reads):
    """Chaque matin, tout est refait, du fichier aux prédictions, et le modèle passe son check."""
    record = dagster.tick(kata.defs, datetime(2027, 3, 28, 6, tzinfo=PARIS))

    assert (ASSETS - set(record.computed), record.checks, len(csv_reads)) == (set(), {CHECK: True}, 1), explain(
        expected=f"cinq assets calculés, et {CHECK} réussi", got=record
    )


GOOD = "la bonne"


def _told_view(value: dg.MetadataValue | None, markdown: str) -> str:
    if not isinstance(value, dg.MarkdownMetadataValue):
        return "absente" if value is None else f"un {type(value).__name__}, que l'interface montre tel quel"
    return GOOD if value.value == markdown else "du Markdown, mais d'un autre modèle ou d'autres clients"


def _value(metadata: dict[str, dg.MetadataValue], name: str) -> object:
    return metadata[name].value if name in metadata else "absent"


def _rounded(values: dict[str, object]) -> dict[str, object]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}


def _equal(seen: object, expected: pd.DataFrame) -> bool:
    return isinstance(seen, pd.DataFrame) and seen.equals(expected)


def _size(seen: object) -> str:
    return f"{len(seen)} clients" if isinstance(seen, pd.DataFrame) else f"un {type(seen).__name__}"


def _judges(model, customers: pd.DataFrame, *counts: int) -> pd.DataFrame:
    """Des clients restés bien et mal prédits, puis partis bien et mal prédits, en ces nombres."""
    is_right = churn.predict_churn(model, customers)["churn"] == customers["churned"]
    kinds = [(churned, right) for churned in (0, 1) for right in (True, False)]
    chosen = [
        customers[(customers["churned"] == churned) & (is_right == right)].head(count)
        for (churned, right), count in zip(kinds, counts, strict=True)
    ]
    return pd.concat(chosen)
