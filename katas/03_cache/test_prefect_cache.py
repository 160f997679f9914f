"""Le cache est un vrai dossier, vide au début de chaque test. C'est Prefect qui dit ce qu'il a resservi."""

from collections.abc import Callable, Iterable

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier import churn
from atelier.feedback.verdict import explain
from atelier.props.properties import property_of_run

ROWS = 20


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    return churn.load_customers().head(ROWS)


@pytest.fixture(scope="module")
def training(customers) -> tuple[pd.DataFrame, pd.Series]:
    """De quoi entraîner un modèle : les features, et la cible."""
    return churn.engineer_features(customers), customers[churn.TARGET]


@pytest.fixture
def computations(monkeypatch) -> list[pd.DataFrame]:
    """Les tableaux que `engineer_features` a vraiment traités."""
    seen, engineer_features = [], churn.engineer_features
    monkeypatch.setattr(churn, "engineer_features", lambda table: seen.append(table) or engineer_features(table))
    return seen


@pytest.mark.todo(1)
def test_same_content_is_computed_once(kata, run, customers, computations):
    """Un second tableau de même contenu n'est pas recalculé : Prefect ressert le premier résultat."""
    read_again = churn.parse_customers(customers.to_csv(index=False))

    records = [run(kata.compute_features, table, "a") for table in (customers, read_again)]

    unseen = " : un cache que Prefect ne voit pas" if len(computations) == 1 else ""
    assert _states(records) == ["Completed", "Cached"], explain(
        expected="le même contenu dans deux objets : « Completed », puis « Cached »",
        got=f"{_told(records)} ; engineer_features a tourné {len(computations)} fois{unseen}",
    )


@pytest.mark.todo(1)
def test_one_changed_cell_is_new_content(kata, run, customers):
    """Une seule cellule change, et les features sont recalculées."""
    run(kata.compute_features, customers, "a")
    assert_hit(run(kata.compute_features, customers, "a"))

    @property_of_run
    @given(row=st.integers(0, ROWS - 1), column=st.sampled_from(churn.FEATURES))
    def is_computed_again(row: int, column: str) -> None:
        changed = customers.copy()
        changed.loc[row, column] += 1

        record = run(kata.compute_features, changed, "a")

        assert _is_up_to_date(record, changed), explain(
            expected=f"les features du tableau où « {column} » a changé à la ligne {row}",
            got=_told([record], stale="les features d'un autre tableau"),
        )

    is_computed_again()


@pytest.mark.todo(1)
def test_moved_rows_are_new_content(kata, run, customers):
    """Les mêmes valeurs dans un autre ordre, ou sous un autre index, sont un autre contenu."""
    run(kata.compute_features, customers, "a")
    assert_hit(run(kata.compute_features, customers, "a"))

    for change, table in {
        "les lignes sont en ordre inverse": customers[::-1].reset_index(drop=True),
        "l'index part de 1": customers.set_index(customers.index + 1),
    }.items():
        record = run(kata.compute_features, table, "a")

        assert _is_up_to_date(record, table), explain(
            expected=f"les features du tableau où {change}",
            got=_told([record], stale="les features du tableau d'origine"),
        )


@pytest.mark.todo(1)
def test_changed_code_is_computed_again(kata, run, customers):
    """Un autre code, pour les mêmes entrées, n'hérite pas du résultat."""
    run(kata.compute_features, customers, "a")
    assert_hit(run(kata.compute_features, customers, "a"))

    record = run(_with_other_code(kata.compute_features, _count_customers), customers, "a")

    assert isinstance(record.value, int), explain(
        expected=f"une task de mêmes entrées, mais dont le code compte les clients, rend {ROWS}",
        got=_told([record], stale="le résultat de compute_features"),
    )


@pytest.mark.todo(1)
def test_another_process_finds_the_result(kata, run, run_elsewhere, customers):
    """Le résultat survit au processus qui l'a calculé : un autre le trouve sur le disque."""
    records = [run(kata.compute_features, customers, "a"), run_elsewhere("compute_features", customers, "a")]

    assert _states(records) == ["Completed", "Cached"], explain(
        expected="« Completed » ici, puis « Cached » dans un autre processus",
        got=f"{_told(records[:1])} ici, puis {_told(records[1:])} dans un autre processus",
    )


@pytest.mark.todo(2)
def test_label_does_not_count(kata, run, customers):
    """Les mêmes clients, demandés par quelqu'un d'autre : rien à recalculer."""
    records = [run(kata.compute_features, customers, label) for label in ("morning", "evening")]

    assert _states(records) == ["Completed", "Cached"], explain(
        expected='« Completed » pour label="morning", puis « Cached » pour label="evening"', got=_told(records)
    )


@pytest.mark.todo(3)
def test_result_expires_after_one_hour(kata, run, clock, customers):
    """Un résultat sert pendant une heure ; ensuite on recalcule, et une nouvelle heure commence."""
    records = []
    for minutes in (0, 59, 2, 58):
        clock.advance(60 * minutes)
        records.append(run(kata.compute_features, customers, "a"))

    assert _states(records) == ["Completed", "Cached", "Completed", "Cached"], explain(
        expected="à 0, 59, 61 et 119 min : « Completed », puis « Cached », puis « Completed », puis « Cached »",
        got=_told(records),
    )


@pytest.mark.todo(4)
def test_each_hyperparameter_has_its_model(kata, run, training):
    """Un modèle ne ressert que pour le `C` qui l'a entraîné."""
    records = [run(kata.train_model, *training, C) for C in (1.0, 0.1, 1.0)]

    models = [record.value and record.value[-1].C for record in records]
    assert (_states(records), models) == (["Completed", "Completed", "Cached"], [1.0, 0.1, 1.0]), explain(
        expected="pour C = 1.0, 0.1 et 1.0 : « Completed », puis « Completed », puis « Cached »",
        got=f"{_told(records)} ; les modèles rendus ont C = {', '.join(map(str, models))}",
    )


@pytest.mark.todo(4)
def test_new_data_or_code_trains_again(kata, run, training):
    """Un modèle ne ressert que pour les données et le code qui l'ont entraîné."""
    features, churned = training
    run(kata.train_model, features, churned, 1.0)
    assert_hit(run(kata.train_model, features.copy(), churned.copy(), 1.0))

    for change, task, inputs in (
        ("d'autres features", kata.train_model, (features + 1, churned)),
        ("une autre cible", kata.train_model, (features, 1 - churned)),
        ("un autre code", _with_other_code(kata.train_model, _train_nothing), (features, churned)),
    ):
        record = run(task, *inputs, 1.0)

        assert record.state.name == "Completed", explain(
            expected=f"avec {change}, un nouvel entraînement : « Completed »",
            got=_told([record], stale="le modèle d'avant"),
        )


@pytest.mark.todo(4)
def test_second_flow_run_computes_nothing(kata, run):
    """Le flow relancé pour quelqu'un d'autre, avec le même `C`, ne recalcule rien."""
    run(kata.churn_pipeline, "morning")

    record = run(kata.churn_pipeline, "evening")

    states = {attempt.task: attempt.state for attempt in record.task_runs}
    assert states == {"compute_features": "Cached", "train_model": "Cached"}, explain(
        expected="au second flow run, compute_features et train_model « Cached »",
        got=f"un flow {record} ; task runs : {states}",
    )


def assert_hit(record) -> None:
    """Sans un résultat resservi, le recalcul qu'on exige ensuite ne prouverait rien."""
    assert record.state.name == "Cached", explain(
        expected="le même appel deux fois de suite : la seconde fois, « Cached »", got=_told([record])
    )


def _is_up_to_date(record, customers: pd.DataFrame) -> bool:
    """Les features reprennent les colonnes de départ : on y lit de quel tableau elles viennent."""
    columns, features = list(churn.FEATURES), record.value
    return isinstance(features, pd.DataFrame) and features[columns].equals(customers[columns].astype("float64"))


def _states(records: Iterable) -> list[str]:
    return [record.state.name for record in records]


def _told(records: Iterable, stale: str = "") -> str:
    told = ", puis ".join(f"« {record} »" for record in records)
    return f"{told}, avec {stale}" if stale and "Cached" in _states(records) else told


def _with_other_code(task: Callable, function: Callable) -> Callable:
    """Une task qui a le cache de `task`, comme si l'on avait modifié son code."""
    # Sans décorateur, il n'y a pas de cache : `run` le dira mieux.
    return type(task)(function, cache_policy=task.cache_policy) if hasattr(task, "cache_policy") else task


def _count_customers(customers: pd.DataFrame, label: str) -> int:
    return len(customers)


def _train_nothing(features: pd.DataFrame, churned: pd.Series, C: float) -> None:
    return None
