"""Les clients du fil rouge, lus une fois, et de quoi abîmer le fichier qui les contient."""

import pandas as pd
import pytest
from hypothesis import settings
from sklearn.pipeline import Pipeline

from atelier.churn import (
    DATA,
    engineer_features,
    load_customers,
    split_customers,
    train_model,
)

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
