"""Les données du fil rouge : reproductibles à l'octet près, cohérentes, et assez difficiles."""

import importlib.util
from pathlib import Path
from statistics import mean
from types import ModuleType

import pandas as pd
import pytest

from atelier.churn import COLUMNS, DATA, TARGET, evaluate_model, load_customers, split_customers, train_model


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Le script `data/generate.py`, chargé comme un module."""
    spec = importlib.util.spec_from_file_location("generate", DATA.with_name("generate.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    """Tous les clients de l'atelier."""
    return load_customers()


@pytest.fixture(scope="module")
def rank_correlations(customers: pd.DataFrame) -> pd.DataFrame:
    """Les corrélations de rang (Spearman) entre colonnes."""
    return customers.corr(method="spearman")


@pytest.fixture(scope="module")
def scores(customers: pd.DataFrame) -> list[dict[str, float]]:
    """Les mesures du modèle du fil rouge sur quatre découpages."""
    splits = [split_customers(customers, seed=seed) for seed in range(4)]
    return [evaluate_model(train_model(train), test) for train, test in splits]


def test_generator_gives_the_committed_bytes(generator: ModuleType, tmp_path: Path) -> None:
    """Le générateur redonne le fichier versionné, à l'octet près."""
    path = tmp_path / "customer_data.csv"

    generator.write_csv(generator.generate_customers(), path)

    assert DATA.read_bytes() == path.read_bytes(), (
        "Le CSV versionné ne sort plus du générateur : lancez `python data/generate.py`, relisez le diff."
    )


def test_another_seed_gives_other_customers(generator: ModuleType) -> None:
    """La graine décide de tout : une autre graine donne d'autres clients."""
    first, second = (generator.generate_customers(n=50, seed=seed) for seed in (1, 2))

    assert not first.equals(second), "Deux graines différentes donnent les mêmes clients."


def test_file_lines_end_with_lf() -> None:
    """Le fichier finit ses lignes par LF, même extrait sous Windows."""
    content = DATA.read_bytes()

    assert b"\r" not in content, "Le CSV contient des fins de ligne CRLF : réglez `.gitattributes` (eol=lf)."


def test_columns_stand_in_the_documented_order() -> None:
    """L'en-tête du fichier est la liste des colonnes, dans l'ordre du contrat."""
    header = DATA.read_text(encoding="utf-8").partition("\n")[0]

    assert ",".join(COLUMNS) == header, "L'en-tête du CSV n'est plus celui que promet `data/README.md`."


def test_identifiers_count_from_one_to_5000(customers: pd.DataFrame) -> None:
    """Les 5 000 clients sont numérotés de 1 à 5000, dans l'ordre."""
    assert list(range(1, 5001)) == customers["customer_id"].tolist()


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ("recency_days", 0, 1825),
        ("frequency", 0, 365),
        ("monetary_value", 5, 100_000),
        ("avg_order_value", 5, 400),
        ("days_since_signup", 30, 1825),
        ("total_orders", 1, 500),
        ("support_tickets", 0, 20),
        ("age", 18, 72),
    ],
)
def test_values_are_plausible(customers: pd.DataFrame, column: str, low: float, high: float) -> None:
    """Chaque colonne reste dans des bornes plausibles."""
    values = customers[column]

    assert values.between(low, high).all(), f"{column} va de {values.min()} à {values.max()}, hors de [{low}, {high}]."


@pytest.mark.parametrize("column", COLUMNS)
def test_readme_gives_the_range_of_the_column(customers: pd.DataFrame, column: str) -> None:
    """`data/README.md` donne l'étendue exacte de chaque colonne."""
    readme = DATA.with_name("README.md").read_text(encoding="utf-8")
    row = next(line for line in readme.splitlines() if line.startswith(f"| `{column}` |"))
    documented = row.split("|")[-2].replace(" ", "").replace(",", ".")
    low, high = (float(bound) for bound in documented.replace("ou", "à").split("à"))

    assert (customers[column].min(), customers[column].max()) == (low, high), (
        f"`data/README.md` ne donne plus la bonne étendue pour {column} : corrigez son tableau."
    )


def test_spend_is_basket_times_orders(customers: pd.DataFrame) -> None:
    """La dépense totale est le panier moyen multiplié par les commandes, au centime près."""
    spend = (customers["monetary_value"] * 100).round()
    product = (customers["avg_order_value"] * 100).round() * customers["total_orders"]

    assert spend.equals(product), "monetary_value n'est plus avg_order_value × total_orders."


def test_last_order_comes_after_signup(customers: pd.DataFrame) -> None:
    """Personne n'a commandé avant de s'inscrire."""
    too_early = customers.query("recency_days > days_since_signup")

    assert too_early.empty, f"{len(too_early)} clients ont commandé avant de s'inscrire."


def test_last_year_never_exceeds_the_total(customers: pd.DataFrame) -> None:
    """Les commandes de l'année font partie des commandes depuis l'inscription."""
    impossible = customers.query("frequency > total_orders")

    assert impossible.empty, f"{len(impossible)} clients ont plus commandé en un an que depuis toujours."


def test_last_year_is_everything_for_recent_customers(customers: pd.DataFrame) -> None:
    """Un client inscrit depuis un an ou moins a passé toutes ses commandes dans l'année."""
    recent = customers.query("days_since_signup <= 365")

    assert recent["frequency"].equals(recent["total_orders"])


def test_last_year_is_empty_when_the_last_order_is_older(customers: pd.DataFrame) -> None:
    """Aucune commande dans l'année, exactement quand la dernière a plus de 365 jours."""
    silent = customers["recency_days"] > 365

    assert silent.equals(customers["frequency"] == 0)


@pytest.mark.parametrize(
    ("cause", "effect"),
    [
        ("days_since_signup", "total_orders"),
        ("total_orders", "frequency"),
        ("frequency", "monetary_value"),
        ("avg_order_value", "monetary_value"),
    ],
)
def test_activity_follows_its_cause(rank_correlations: pd.DataFrame, cause: str, effect: str) -> None:
    """De l'ancienneté à la dépense, chaque maillon de l'activité augmente avec le précédent."""
    correlation = rank_correlations.loc[cause, effect]

    assert correlation > 0.3, f"{effect} ne suit plus {cause} : corrélation de rang {correlation:.2f}."


@pytest.mark.parametrize("column", ["recency_days", "support_tickets"])
def test_silence_and_tickets_raise_churn(rank_correlations: pd.DataFrame, column: str) -> None:
    """Le silence et les tickets vont avec le départ."""
    correlation = rank_correlations.loc[column, TARGET]

    assert correlation > 0.1, f"{column} n'annonce plus le départ : corrélation de rang {correlation:.2f}."


@pytest.mark.parametrize(
    ("column", "limit"), [("frequency", -0.1), ("monetary_value", -0.1), ("avg_order_value", -0.03)]
)
def test_frequency_and_spend_lower_churn(rank_correlations: pd.DataFrame, column: str, limit: float) -> None:
    """La fréquence et la dépense retiennent le client."""
    correlation = rank_correlations.loc[column, TARGET]

    assert correlation < limit, f"{column} ne retient plus le client : corrélation de rang {correlation:.2f}."


def test_identifier_says_nothing_about_churn(rank_correlations: pd.DataFrame) -> None:
    """L'identifiant n'apprend rien : s'en servir ne peut pas aider un modèle."""
    correlation = rank_correlations.loc["customer_id", TARGET]

    assert abs(correlation) < 0.05, f"customer_id est lié au départ : corrélation de rang {correlation:.2f}."


def test_classes_are_unbalanced_but_not_rare(customers: pd.DataFrame) -> None:
    """La classe majoritaire pèse de 55 à 75 %."""
    majority = customers[TARGET].value_counts(normalize=True).max()

    assert 0.55 <= majority <= 0.75, f"La classe majoritaire pèse {majority:.0%}."


def test_good_model_is_neither_useless_nor_perfect(scores: list[dict[str, float]]) -> None:
    """Sur des clients mis de côté, le modèle du fil rouge a une AUC de 0,80 à 0,90."""
    aucs = [score["auc"] for score in scores]

    assert 0.80 <= mean(aucs) <= 0.90, f"AUC mesurées : {aucs}."


def test_good_model_beats_the_majority_clearly(scores: list[dict[str, float]]) -> None:
    """À chaque découpage, le modèle dépasse la classe majoritaire de cinq points au moins."""
    margins = [score["accuracy"] - score["majority"] for score in scores]

    assert min(margins) >= 0.05, f"Marges sur la classe majoritaire : {margins}."
