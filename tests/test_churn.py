"""Le fil rouge : les variables, le modèle et ses mesures, et ce que `atelier.churn` en promet."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.pipeline import Pipeline

from atelier.churn import (
    EUROS,
    FEATURES,
    ID,
    LARGEST,
    TARGET,
    DataError,
    build_model,
    engineer_features,
    evaluate_model,
    predict_churn,
    split_customers,
    train_model,
    validate_customers,
)
from tests.helpers.churners import Split, customers, features, model, split, steady

__all__ = ["customers", "features", "model", "split"]


ROOT = Path(__file__).resolve().parents[1]


def test_import_loads_only_numpy_and_pandas() -> None:
    """Importer le fil rouge ne charge que la bibliothèque standard, numpy et pandas."""
    script = (
        "import sys, pandas; before = set(sys.modules); import atelier.churn; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(new - sys.stdlib_module_names))"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert result.stdout.split() == ["atelier"], (
        "Un import en tête de `atelier/churn.py` ralentit tous les katas : déplacez-le dans la fonction."
    )


def test_features_hold_neither_identifier_nor_target(customers: pd.DataFrame) -> None:
    """Les colonnes vues par le modèle ne contiennent ni l'identifiant ni la réponse."""
    assert not {ID, TARGET} & set(engineer_features(customers).columns)


def test_features_start_with_the_raw_columns(customers: pd.DataFrame) -> None:
    """Les colonnes brutes y sont, intactes, avant les colonnes calculées."""
    raw = customers[list(FEATURES)].astype("float64")

    assert_frame_equal(raw, engineer_features(customers).iloc[:, : len(FEATURES)])


def test_features_have_the_documented_formulas() -> None:
    """Les quatre colonnes calculées valent ce que dit la docstring, sur un client calculé à la main."""
    customer = dict.fromkeys(FEATURES, 1) | {
        "days_since_signup": 3044,
        "recency_days": 761,
        "total_orders": 20,
        "support_tickets": 5,
    }
    expected = {
        "orders_per_month": 20 / 100,
        "recency_share": 1 / 4,
        "missed_orders": 20 / 4,
        "tickets_per_order": 5 / 20,
    }
    features = engineer_features(pd.DataFrame([customer]))

    assert expected == pytest.approx(features.drop(columns=list(FEATURES)).iloc[0].to_dict())


raw_row = st.tuples(
    *(st.floats(0, LARGEST, exclude_max=True) if name in EUROS else st.integers(0, LARGEST - 1) for name in FEATURES)
)


@steady
@example([(0,) * len(FEATURES)])
@given(st.lists(raw_row, min_size=1, max_size=5))
def test_features_are_always_finite(rows: list[tuple[float, ...]]) -> None:
    """Aucun client valide, même inscrit le jour même ou sans commande, ne donne NaN ou infini."""
    features = engineer_features(pd.DataFrame(rows, columns=FEATURES))

    assert np.isfinite(features).all(axis=None)


@steady
@given(chosen=st.sets(st.integers(0, 599), min_size=1, max_size=4).map(sorted))
def test_features_of_a_row_depend_on_that_row_only(
    customers: pd.DataFrame, features: pd.DataFrame, chosen: list[int]
) -> None:
    """Seul ou parmi les autres, un client a les mêmes features : rien ne fuite d'une ligne à l'autre."""
    alone = engineer_features(customers.iloc[chosen])

    assert_frame_equal(features.iloc[chosen], alone)


def test_features_refuse_a_bad_value(customers: pd.DataFrame) -> None:
    """Les features vérifient leurs colonnes : un NaN n'arrive jamais jusqu'au modèle."""
    with pytest.raises(DataError, match="« frequency » : valeur manquante"):
        engineer_features(customers.assign(frequency=np.nan))


def test_split_loses_and_repeats_nobody(customers: pd.DataFrame, split: Split) -> None:
    """Chaque client est d'un côté et d'un seul, sans changement."""
    assert_frame_equal(customers, pd.concat(split).sort_index())


def test_split_keeps_a_quarter_for_the_test(split: Split) -> None:
    """Par défaut, un quart des clients est mis de côté."""
    train, test = split

    assert (len(train), len(test)) == (450, 150)


def test_split_is_stratified(customers: pd.DataFrame, split: Split) -> None:
    """La part de départs est la même des deux côtés, à un client près."""
    expected = customers[TARGET].mean()

    assert [expected, expected] == pytest.approx([part[TARGET].mean() for part in split], abs=1 / 150)


def test_split_is_repeatable(customers: pd.DataFrame, split: Split) -> None:
    """La même graine redonne le même découpage."""
    assert_frame_equal(split[1], split_customers(customers)[1])


def test_split_follows_the_seed(customers: pd.DataFrame, split: Split) -> None:
    """Une autre graine donne un autre découpage."""
    _, other = split_customers(customers, seed=7)

    assert not split[1].index.equals(other.index)


def test_split_needs_two_customers_of_each_class(customers: pd.DataFrame) -> None:
    """Un seul client parti ne peut pas être des deux côtés."""
    alone = pd.concat([customers.query("churned == 0"), customers.query("churned == 1").head(1)])

    with pytest.raises(DataError, match=r"1 parti\(s\)\. Pour découper"):
        split_customers(alone)


def test_training_scales_on_the_training_set_only(model: Pipeline, split: Split) -> None:
    """La mise à l'échelle est apprise sur `train`, sans regarder le test."""
    train, _ = split

    assert engineer_features(train).mean().to_numpy() == pytest.approx(model["scaler"].mean_)


def test_training_is_repeatable(model: Pipeline, split: Split) -> None:
    """Deux entraînements sur les mêmes clients donnent le même modèle."""
    again = train_model(split[0])

    assert model["classifier"].coef_ == pytest.approx(again["classifier"].coef_)


def test_built_model_has_its_settings_and_is_not_trained() -> None:
    """Les réglages vont à la régression ; rien n'est encore appris."""
    built = build_model(C=0.5, max_iter=300)

    settings = built["classifier"].get_params()
    assert (0.5, 300) == (settings["C"], settings["max_iter"])
    assert not hasattr(built["classifier"], "coef_")


def test_small_c_shrinks_the_model(model: Pipeline, split: Split) -> None:
    """Plus `C` est petit, plus les coefficients sont petits."""
    shrunk = train_model(split[0], C=0.001)

    assert np.abs(shrunk["classifier"].coef_).sum() < np.abs(model["classifier"].coef_).sum()


def test_training_needs_both_classes(customers: pd.DataFrame) -> None:
    """Sans aucun client parti, il n'y a rien à apprendre."""
    with pytest.raises(DataError, match=r"0 parti\(s\)\. Pour entraîner"):
        train_model(customers.query("churned == 0"))


def test_training_needs_the_target(customers: pd.DataFrame) -> None:
    """Sans la colonne `churned`, l'erreur la nomme."""
    with pytest.raises(DataError, match="il manque churned"):
        train_model(customers.drop(columns=TARGET))


def test_evaluation_matches_the_predictions(model: Pipeline, split: Split) -> None:
    """L'`accuracy` est la part de prédictions justes."""
    _, test = split
    right = predict_churn(model, test)["churn"] == test[TARGET]

    assert right.mean() == pytest.approx(evaluate_model(model, test)["accuracy"])


def test_auc_is_the_share_of_well_ordered_pairs(model: Pipeline, split: Split) -> None:
    """L'AUC est la part des couples (parti, resté) où le parti a la plus forte probabilité."""
    _, test = split
    probability = predict_churn(model, test)["churn_probability"]
    gone, stayed = (probability[test[TARGET] == label].to_numpy() for label in (1, 0))
    ordered = gone[:, None] > stayed[None, :]

    assert ordered.mean() == pytest.approx(evaluate_model(model, test)["auc"])


def test_majority_is_the_share_of_the_larger_class(model: Pipeline, split: Split) -> None:
    """`majority` est l'`accuracy` de qui répond toujours la classe la plus fréquente."""
    _, test = split
    share = test[TARGET].mean()

    assert max(share, 1 - share) == pytest.approx(evaluate_model(model, test)["majority"])


def test_metrics_are_plain_floats(model: Pipeline, split: Split) -> None:
    """Les trois mesures sont des `float` de Python, faciles à enregistrer partout."""
    metrics = evaluate_model(model, split[1])

    assert {"accuracy": float, "auc": float, "majority": float} == {
        name: type(value) for name, value in metrics.items()
    }


def test_evaluation_needs_both_classes(model: Pipeline, customers: pd.DataFrame) -> None:
    """Sur une seule classe, l'AUC n'a pas de sens."""
    with pytest.raises(DataError, match=r"0 resté\(s\), .* Pour évaluer"):
        evaluate_model(model, customers.query("churned == 1"))


def test_prediction_keeps_customers_and_order(model: Pipeline, customers: pd.DataFrame) -> None:
    """Une ligne par client, dans l'ordre reçu, avec le même index."""
    shuffled = customers.iloc[::-3]

    assert_series_equal(shuffled[ID], predict_churn(model, shuffled)[ID])


def test_prediction_has_the_documented_columns(model: Pipeline, customers: pd.DataFrame) -> None:
    """Les trois colonnes promises, dans l'ordre."""
    expected = [ID, "churn_probability", "churn"]

    assert expected == list(predict_churn(model, customers).columns)


def test_prediction_ignores_the_target(model: Pipeline, customers: pd.DataFrame) -> None:
    """La réponse n'est ni nécessaire ni regardée."""
    without = predict_churn(model, customers.drop(columns=TARGET))

    assert_frame_equal(predict_churn(model, customers), without)


def test_probability_and_decision_agree(model: Pipeline, customers: pd.DataFrame) -> None:
    """Le départ est prédit à partir d'une probabilité d'un demi."""
    predictions = predict_churn(model, customers)
    decided = (predictions["churn_probability"] >= 0.5).astype("int64")

    assert_series_equal(decided, predictions["churn"], check_names=False)


@pytest.mark.parametrize("column", [ID, "age"])
def test_prediction_names_the_missing_column(model: Pipeline, customers: pd.DataFrame, column: str) -> None:
    """Une colonne absente est nommée, au lieu d'une erreur venue de pandas ou de scikit-learn."""
    with pytest.raises(DataError, match=f"il manque {column}"):
        predict_churn(model, customers.drop(columns=column))


@pytest.mark.parametrize("function", [validate_customers, engineer_features, split_customers, train_model])
def test_preparation_leaves_its_argument_alone(
    customers: pd.DataFrame, function: Callable[[pd.DataFrame], object]
) -> None:
    """Préparer, découper ou entraîner ne modifie pas le tableau reçu."""
    given_customers = customers.copy(deep=True)
    function(given_customers)

    assert_frame_equal(customers, given_customers)


@pytest.mark.parametrize("function", [evaluate_model, predict_churn])
def test_use_of_the_model_leaves_customers_alone(
    model: Pipeline, customers: pd.DataFrame, function: Callable[[Pipeline, pd.DataFrame], object]
) -> None:
    """Évaluer ou prédire ne modifie pas le tableau reçu."""
    given_customers = customers.copy(deep=True)
    function(model, given_customers)

    assert_frame_equal(customers, given_customers)
