"""Le cache est un vrai dossier, vidé à chaque test ; c'est Prefect qui dit ce qu'il a resservi, et l'heure est simulée."""

import copy
import inspect
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier import churn
from atelier.properties import property_of_run
from atelier.verdict import explain

ROWS = 20


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    return churn.load_customers().head(ROWS)


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

    states = [run(kata.compute_features, table, "a").state.name for table in (customers, read_again)]

    own_cache = " : un cache que Prefect ne voit pas" if len(computations) == 1 else ""
    assert states == ["Completed", "Cached"], explain(
        expected="deux fois le même contenu, dans deux objets : « Completed », puis « Cached »",
        got=f"{_quoted(states)} ; engineer_features a tourné {len(computations)} fois{own_cache}",
    )


@pytest.mark.todo(1)
@property_of_run
@given(row=st.integers(0, ROWS - 1), column=st.sampled_from(churn.FEATURES))
def test_one_changed_cell_is_new_content(kata, run, customers, row, column):
    """Une seule cellule change, et les features sont celles du nouveau tableau."""
    changed = customers.copy()
    changed.loc[row, column] += 1

    first, again = (run(kata.compute_features, table, "a") for table in (changed, changed.copy()))

    assert _same(first.value, churn.engineer_features(changed)), explain(
        expected=f"les features recalculées quand « {column} » change à la ligne {row}",
        got=f"les features d'un autre tableau, resservies « {first} »",
    )
    assert again.state.name == "Cached", explain(expected="le même tableau, resservi ensuite « Cached »", got=again)


@pytest.mark.todo(1)
def test_moved_rows_are_new_content(kata, run, customers):
    """Les mêmes valeurs dans un autre ordre, ou sous d'autres index, sont un autre contenu."""
    others = {
        "les lignes en ordre inverse": customers[::-1].reset_index(drop=True),
        "un index qui part de 1": customers.set_index(customers.index + 1),
    }
    run(kata.compute_features, customers, "a")
    assert_hit(run(kata.compute_features, customers, "a"))

    for change, table in others.items():
        record = run(kata.compute_features, table, "a")
        assert _same(record.value, churn.engineer_features(table)), explain(
            expected=f"les features recalculées pour {change}",
            got=f"les features d'avant, resservies « {record} »",
        )


@pytest.mark.todo(1)
def test_changed_code_is_computed_again(kata, run, customers):
    """Un autre code, avec les mêmes entrées, n'hérite pas du résultat."""
    run(kata.compute_features, customers, "a")
    assert_hit(run(kata.compute_features, customers, "a"))

    record = run(_edited(kata.compute_features, _count_customers), customers, "a")

    assert record.value == ROWS, explain(
        expected=f"une task de mêmes entrées mais d'un autre code, qui compte les clients : {ROWS}",
        got=f"« {record} » : le résultat de compute_features" if record.state.name == "Cached" else record,
    )


@pytest.mark.todo(1)
def test_another_process_finds_the_result(kata, run, run_elsewhere, customers):
    """Le résultat survit au processus qui l'a calculé : un autre le retrouve sur le disque."""
    here = run(kata.compute_features, customers, "a")
    elsewhere = run_elsewhere("compute_features", customers, "a")

    states = [here.state.name, elsewhere.state.name]
    assert states == ["Completed", "Cached"], explain(
        expected="« Completed » ici, puis « Cached » dans un processus tout neuf", got=_quoted(states)
    )
    assert _same(elsewhere.value, churn.engineer_features(customers))


@pytest.mark.todo(2)
def test_label_does_not_count(kata, run, customers):
    """Les mêmes clients sous un autre label : rien à recalculer."""
    states = [run(kata.compute_features, customers, label=label).state.name for label in ("morning", "evening")]

    assert states == ["Completed", "Cached"], explain(
        expected="« Completed » avec label=\"morning\", puis « Cached » avec label=\"evening\"", got=_quoted(states)
    )


@pytest.mark.todo(3)
def test_result_expires_after_one_hour(kata, run, clock, customers):
    """Un résultat sert pendant une heure ; ensuite on recalcule, et une nouvelle heure commence."""
    states = {}
    for minutes, wait in {0: 0, 59: 59, 61: 2, 119: 58}.items():
        clock.advance(60 * wait)
        states[f"{minutes} min"] = run(kata.compute_features, customers, "a").state.name

    expected = {"0 min": "Completed", "59 min": "Cached", "61 min": "Completed", "119 min": "Cached"}
    assert states == expected, explain(expected=expected, got=states)


@pytest.mark.todo(4)
def test_each_hyperparameter_has_its_model(kata, run, customers):
    """Un modèle ne sert que pour son `C` : un autre `C` s'entraîne, le même `C` se ressert."""
    features, churned = churn.engineer_features(customers), customers[churn.TARGET]

    records = [run(kata.train_model, features, churned, C=C) for C in (1.0, 0.1, 1.0)]

    seen = [(record.state.name, record.value[-1].C) for record in records]
    assert seen == [("Completed", 1.0), ("Completed", 0.1), ("Cached", 1.0)], explain(
        expected="C=1 et C=0.1 : « Completed » ; C=1 à nouveau : « Cached », le modèle de C=1",
        got="; ".join(f"« {state} », un modèle de C={C:g}" for state, C in seen),
    )


@pytest.mark.todo(4)
def test_new_data_or_code_trains_again(kata, run, customers):
    """Un modèle ne sert que pour ses données et son code."""
    features, churned = churn.engineer_features(customers), customers[churn.TARGET]
    run(kata.train_model, features, churned, C=1.0)
    assert_hit(run(kata.train_model, features.copy(), churned.copy(), C=1.0))

    others = {
        "d'autres features": run(kata.train_model, features + 1, churned, C=1.0),
        "une autre cible": run(kata.train_model, features, 1 - churned, C=1.0),
        "un autre code": run(_edited(kata.train_model, _train_nothing), features, churned, C=1.0),
    }

    for change, record in others.items():
        assert record.state.name == "Completed", explain(
            expected=f"un nouvel entraînement, « Completed », pour {change}", got=f"« {record} »"
        )


@pytest.mark.todo(4)
def test_second_flow_run_computes_nothing(kata, run):
    """Le flow, relancé pour quelqu'un d'autre avec le même `C`, ne recalcule rien."""
    run(kata.churn_pipeline, "morning")

    record = run(kata.churn_pipeline, "evening")

    states = {attempt.task: attempt.state for attempt in record.task_runs}
    assert states == {"compute_features": "Cached", "train_model": "Cached"}, explain(
        expected="au second flow run, compute_features et train_model « Cached »", got=f"un flow {record} ; {states}"
    )


def assert_hit(record) -> None:
    """Sans un premier résultat resservi, un recalcul ne prouverait rien."""
    assert record.state.name == "Cached", explain(
        expected="le même appel, deux fois de suite : « Cached » la seconde fois", got=record
    )


def _edited(task: Callable, function: Callable) -> Callable:
    """La même task, comme si l'on avait modifié son code."""
    edited = copy.copy(task)
    edited.fn, edited.source_code = function, inspect.getsource(function)
    return edited


def _count_customers(customers: pd.DataFrame, label: str) -> int:
    return len(customers)


def _train_nothing(features: pd.DataFrame, churned: pd.Series, C: float) -> None:
    return None


def _same(left: object, right: pd.DataFrame) -> bool:
    return isinstance(left, pd.DataFrame) and left.equals(right)


def _quoted(states: list[str]) -> str:
    return ", puis ".join(f"« {state} »" for state in states)
