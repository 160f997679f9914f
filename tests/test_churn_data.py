"""Le fil rouge : le fichier des clients, ce que `atelier.churn` en accepte et en refuse."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from atelier.churn import (
    COLUMNS,
    EUROS,
    TARGET,
    DataError,
    load_customers,
    parse_customers,
    validate_customers,
)
from tests.helpers.churners import SAMPLE, customers, steady, with_cell

__all__ = ["customers"]


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
