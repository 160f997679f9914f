"""Le fil rouge : ce que `atelier.churn` accepte, refuse et promet."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.pipeline import Pipeline

from atelier.churn import (
    COLUMNS,
    DATA,
    EUROS,
    FEATURES,
    ID,
    LARGEST,
    TARGET,
    DataError,
    build_model,
    engineer_features,
    evaluate_model,
    load_customers,
    parse_customers,
    predict_churn,
    split_customers,
    train_model,
    validate_customers,
)

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = "\n".join(DATA.read_text(encoding="utf-8").splitlines()[:9]) + "\n"

Split = tuple[pd.DataFrame, pd.DataFrame]

steady = settings(derandomize=True, deadline=None, max_examples=25)


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    """Six cents clients de l'atelier."""
    return load_customers().head(600)


@pytest.fixture(scope="module")
def features(customers: pd.DataFrame) -> pd.DataFrame:
    """Les features de ces clients."""
    return engineer_features(customers)


@pytest.fixture(scope="module")
def split(customers: pd.DataFrame) -> Split:
    """Ces clients, découpés en `(train, test)`."""
    return split_customers(customers)


@pytest.fixture(scope="module")
def model(split: Split) -> Pipeline:
    """Un modèle entraîné sur `train`."""
    train, _ = split
    return train_model(train)


def with_cell(value: str, column: str, *lines: int) -> str:
    """L'échantillon, dont `column` vaut `value` aux lignes données (l'en-tête est la ligne 1)."""
    rows = [row.split(",") for row in SAMPLE.splitlines()]
    for line in lines:
        rows[line - 1][rows[0].index(column)] = value
    return "\n".join(",".join(row) for row in rows)


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


# --- Lire ---------------------------------------------------------------------------------------


def test_load_reads_the_committed_file_by_default() -> None:
    """Sans argument, on lit les 5 000 clients de l'atelier, numérotés de 0 à 4999."""
    customers = load_customers()

    assert (list(COLUMNS), list(range(5000))) == (list(customers.columns), list(customers.index))


def test_load_gives_integers_except_for_euros() -> None:
    """Les montants sont en float64, tout le reste en int64."""
    expected = {name: "float64" if name in EUROS else "int64" for name in COLUMNS}

    assert expected == load_customers().dtypes.astype(str).to_dict()


def test_load_takes_a_path_as_text(tmp_path: Path) -> None:
    """Le chemin peut être une chaîne."""
    path = tmp_path / "clients.csv"
    path.write_text(SAMPLE, encoding="utf-8")

    assert_frame_equal(parse_customers(SAMPLE), load_customers(str(path)))


def test_load_accepts_what_excel_adds(tmp_path: Path) -> None:
    """Une marque d'ordre des octets et des fins de ligne CRLF ne changent rien."""
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbf" + SAMPLE.replace("\n", "\r\n").encode())

    assert_frame_equal(parse_customers(SAMPLE), load_customers(path))


def test_load_refuses_a_missing_file(tmp_path: Path) -> None:
    """Un fichier absent : l'erreur donne le chemin et la commande qui le refait."""
    path = tmp_path / "absent.csv"

    with pytest.raises(DataError, match=r"absent\.csv : ce fichier n'existe pas.*data/generate\.py"):
        load_customers(path)


def test_load_refuses_a_directory(tmp_path: Path) -> None:
    """Un dossier n'est pas un fichier."""
    with pytest.raises(DataError, match="c'est un dossier"):
        load_customers(tmp_path)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\xff\xfe", "âge;é".encode("latin-1")])
def test_load_refuses_what_is_not_utf8(tmp_path: Path, content: bytes) -> None:
    """Une image ou un texte en Latin-1 : l'erreur dit comment enregistrer le fichier."""
    path = tmp_path / "octets.csv"
    path.write_bytes(content)

    with pytest.raises(DataError, match="UTF-8"):
        load_customers(path)


@pytest.mark.parametrize(
    ("failure", "words"),
    [(PermissionError(13, "denied"), "pas le droit de lire"), (OSError(5, "I/O error"), "a échoué")],
)
def test_load_explains_a_system_failure(monkeypatch: pytest.MonkeyPatch, failure: OSError, words: str) -> None:
    """Un refus ou une panne du système de fichiers devient une `DataError` en français."""

    def fail(path: Path) -> bytes:
        raise failure

    monkeypatch.setattr(Path, "read_bytes", fail)

    with pytest.raises(DataError, match=words):
        load_customers("clients.csv")


def test_load_names_the_file_in_content_errors(tmp_path: Path) -> None:
    """Une erreur de contenu cite le fichier lu."""
    path = tmp_path / "clients.csv"
    path.write_text(with_cell("abc", "age", 3), encoding="utf-8")

    with pytest.raises(DataError, match=r"clients\.csv, colonne « age »"):
        load_customers(path)


@pytest.mark.parametrize("text", ["", "\n\n", "  ", "\ufeff"])
def test_parse_refuses_an_empty_text(text: str) -> None:
    """Un texte vide n'est pas un fichier sans client : il n'a même pas d'en-tête."""
    with pytest.raises(DataError, match="rien à lire"):
        parse_customers(text)


def test_parse_refuses_a_header_alone() -> None:
    """Un en-tête sans une seule ligne : aucun client."""
    with pytest.raises(DataError, match="aucun client"):
        parse_customers(",".join(COLUMNS))


@pytest.mark.parametrize("page", ["<!DOCTYPE html><html></html>", "\n  <html>502 Bad Gateway</html>"])
def test_parse_recognises_an_html_page(page: str) -> None:
    """Une page d'erreur HTML, reçue à la place du CSV, est nommée comme telle."""
    with pytest.raises(DataError, match="http://boutique : c'est une page HTML"):
        parse_customers(page, source="http://boutique")


def test_parse_shows_the_header_of_another_format() -> None:
    """Avec des points-virgules, l'erreur montre l'en-tête lu et rappelle le séparateur."""
    with pytest.raises(DataError, match=r"commence par « customer_id;recency_days.*séparateur"):
        parse_customers(SAMPLE.replace(",", ";"))


@pytest.mark.parametrize("value", ['"0', "9" * 200_000])
def test_parse_refuses_an_unreadable_field(value: str) -> None:
    """Un guillemet jamais refermé, ou un champ démesuré, rend le CSV illisible."""
    with pytest.raises(DataError, match="pas un CSV lisible"):
        parse_customers(with_cell(value, TARGET, 9))


def test_parse_refuses_a_blank_line_between_customers() -> None:
    """Une ligne vide au milieu est une ligne trop courte."""
    with pytest.raises(DataError, match="ligne 2 : champs lus : 0"):
        parse_customers(SAMPLE.replace("\n", "\n\n", 1))


@steady
@given(st.integers(min_value=1, max_value=len(SAMPLE) - 2))
def test_parse_refuses_a_text_cut_in_a_row(length: int) -> None:
    """Un texte coupé au milieu d'une ligne est refusé, où que tombe la coupe."""
    # Entre deux lignes, ce qui reste est un CSV complet.
    assume("\n" not in SAMPLE[length - 1 : length + 1])

    with pytest.raises(DataError):
        parse_customers(SAMPLE[:length])


def test_parse_says_where_the_text_is_cut() -> None:
    """Une ligne trop courte est citée par son numéro, avec l'hypothèse d'un fichier tronqué."""
    cut = SAMPLE.rstrip().rpartition(",")[0]

    with pytest.raises(DataError, match=r"ligne 9 : champs lus : 9 au lieu de 10.*tronqué"):
        parse_customers(cut)


def test_parse_refuses_a_row_too_long() -> None:
    """Une virgule décimale ajoute un champ : la ligne est refusée."""
    with pytest.raises(DataError, match="ligne 4 : champs lus : 11"):
        parse_customers(with_cell("12,50", "avg_order_value", 4))


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("age", "", "manquante"),
        ("age", "  ", "manquante"),
        ("monetary_value", "NaN", "non numérique"),
        ("recency_days", "hier", "non numérique"),
        ("churned", "True", "non numérique"),
        ("monetary_value", "inf", "démesurée"),
        ("total_orders", "9" * 30, "démesurée"),
        ("frequency", "-1", "négative"),
        ("avg_order_value", "-0.01", "négative"),
        ("support_tickets", "2.5", "non entière"),
        ("churned", "2", "autre que 0 ou 1"),
        ("customer_id", "1", "déjà vue"),
    ],
)
def test_parse_refuses_a_bad_value(column: str, value: str, problem: str) -> None:
    """Une valeur impossible : l'erreur nomme la colonne et le problème."""
    with pytest.raises(DataError, match=f"colonne « {column} » : valeur {problem}"):
        parse_customers(with_cell(value, column, 5))


def test_parse_counts_bad_rows_and_shows_the_first() -> None:
    """L'erreur montre la première valeur fautive, sa ligne dans le fichier et le nombre de lignes."""
    with pytest.raises(DataError, match=r"« -7 »\) à la ligne 4 ; lignes fautives : 3"):
        parse_customers(with_cell("-7", "recency_days", 4, 6, 9))


@steady
@example("customer_id\n\x00")
@given(st.text(max_size=40))
def test_parse_raises_nothing_but_data_errors(garbage: str) -> None:
    """Quel que soit le texte ajouté aux clients, la lecture aboutit ou lève `DataError`."""
    middle = len(SAMPLE) // 2
    try:
        customers = parse_customers(SAMPLE[:middle] + garbage + SAMPLE[middle:])
    except DataError:
        return

    assert list(COLUMNS) == list(customers.columns)


@pytest.mark.parametrize("column", COLUMNS)
def test_validate_names_the_missing_column(customers: pd.DataFrame, column: str) -> None:
    """Une colonne absente est nommée."""
    with pytest.raises(DataError, match=f"il manque {column}"):
        validate_customers(customers.drop(columns=column))


def test_validate_refuses_a_column_given_twice(customers: pd.DataFrame) -> None:
    """Deux colonnes du même nom : on ne choisit pas à la place de l'appelant."""
    with pytest.raises(DataError, match="colonnes en double : age"):
        validate_customers(pd.concat([customers, customers[["age"]]], axis="columns"))


def test_parse_refuses_a_column_given_twice() -> None:
    """Une colonne répétée dans l'en-tête du CSV est refusée aussi."""
    rows = SAMPLE.splitlines()
    text = "\n".join([f"{rows[0]},age", *(f"{row},30" for row in rows[1:])])

    with pytest.raises(DataError, match="colonnes en double : age"):
        parse_customers(text)


def test_validate_restores_the_order_of_columns(customers: pd.DataFrame) -> None:
    """L'ordre des colonnes reçues est libre ; celui des colonnes rendues ne l'est pas."""
    shuffled = customers[sorted(COLUMNS, reverse=True)]

    assert_frame_equal(customers, validate_customers(shuffled))


def test_validate_ignores_extra_columns(customers: pd.DataFrame) -> None:
    """Une colonne en trop est laissée de côté."""
    assert_frame_equal(customers, validate_customers(customers.assign(city="Lyon")))


def test_validate_keeps_the_index(customers: pd.DataFrame) -> None:
    """L'index et l'ordre des lignes reçues sont conservés."""
    some = customers.iloc[[5, 2, 9]]

    assert_frame_equal(some, validate_customers(some))


@pytest.mark.parametrize("dtype", ["str", "object", "float64", "Float64"])
def test_validate_restores_the_types(customers: pd.DataFrame, dtype: str) -> None:
    """Les mêmes nombres, rangés sous un autre type, retrouvent leur type."""
    assert_frame_equal(customers, validate_customers(customers.astype(dtype)))


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA, ""])
def test_validate_refuses_a_missing_value(customers: pd.DataFrame, missing: object) -> None:
    """Toutes les façons de dire « pas de valeur » sont refusées, avec l'index de la ligne."""
    ages = customers["age"].astype(object).mask(customers.index == 3, missing)

    with pytest.raises(DataError, match=r"« age » : valeur manquante.*à la ligne 3 ; lignes fautives : 1"):
        validate_customers(customers.assign(age=ages))


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
