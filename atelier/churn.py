"""Le fil rouge : prédire quels clients vont partir (`churn`), en Python simple, sans orchestrateur.

Les katas, les notebooks et les `workers` importent ce module. Charger scikit-learn prend plus d'une
seconde : seules les fonctions qui s'en servent l'importent.
"""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Pendant un test, une copie : le code d'un kata peut l'abîmer.
DATA = Path(os.environ.get("ATELIER_DATA") or Path(__file__).resolve().parents[1] / "data" / "customer_data.csv")
ID = "customer_id"
TARGET = "churned"
FEATURES = (
    "recency_days",
    "frequency",
    "monetary_value",
    "avg_order_value",
    "days_since_signup",
    "total_orders",
    "support_tickets",
    "age",
)

COLUMNS = (ID, *FEATURES, TARGET)
EUROS = ("monetary_value", "avg_order_value")
DAYS_PER_MONTH = 30.44
# Au-delà, un float64 ne sait plus compter de un en un.
LARGEST = 2**53
IN_MEMORY = "Tableau de clients"
ADVICE = "Corrigez ces données, ou revenez à celles de l'atelier : `python data/generate.py`."


class DataError(ValueError):
    """Des données absentes ou mal formées ; le message dit quoi, où, et que faire."""


def load_customers(path: Path | str = DATA) -> pd.DataFrame:
    """Lit le fichier CSV des clients et le vérifie.

    Rend une ligne par client, dans l'ordre du fichier, avec les colonnes de `COLUMNS` : montants en
    euros (float64), tout le reste en entiers (int64). Une marque d'ordre des octets (BOM) est admise.

    Lève `DataError` si le fichier manque, ne se lit pas, ou si `parse_customers` en refuse le texte.
    """
    path = Path(path)
    return parse_customers(_read_text(path), source=str(path))


def parse_customers(text: str, source: str = "Texte reçu") -> pd.DataFrame:
    """Lit les clients dans un texte CSV, reçu par HTTP par exemple, et les vérifie.

    L'ordre des colonnes est libre et les colonnes en trop sont ignorées. `source` nomme le texte dans
    les messages d'erreur, qui comptent les lignes comme un éditeur : l'en-tête est la ligne 1.

    Lève `DataError` si le texte est vide, est une page HTML, est coupé en cours de ligne, ou si
    `validate_customers` en refuse le contenu.
    """
    customers = _read_csv(text, source)
    # Pour que l'étiquette d'une ligne soit son numéro dans le fichier.
    customers.index = pd.RangeIndex(2, len(customers) + 2)
    return _validated(customers, COLUMNS, source).reset_index(drop=True)


def validate_customers(customers: pd.DataFrame) -> pd.DataFrame:
    """Vérifie un tableau de clients ; le rend avec les colonnes de `COLUMNS`, dans cet ordre.

    L'index et l'ordre des lignes sont conservés ; montants en float64, tout le reste en int64.

    Lève `DataError` s'il n'y a aucun client, si une colonne manque ou figure deux fois, si une valeur
    est manquante, non numérique, négative, démesurée ou non entière (sauf les montants), si
    `customer_id` se répète, ou si `churned` n'est ni 0 ni 1. Le message cite l'index de la
    première ligne fautive.
    """
    return _validated(customers, COLUMNS, IN_MEMORY)


def engineer_features(customers: pd.DataFrame) -> pd.DataFrame:
    """Calcule ce que voit le modèle : les colonnes de `FEATURES` et quatre colonnes qui s'en déduisent.

    Chaque ligne ne dépend que d'elle-même : rien n'est appris des autres clients. Le calcul peut donc
    précéder le découpage sans qu'aucune information du test ne fuite vers l'entraînement.

    Rend des float64 finis, avec l'index de `customers`, sans identifiant ni cible. En plus :
    `orders_per_month` (commandes par mois d'ancienneté, le premier mois compté entier),
    `recency_share` (part de l'ancienneté passée depuis la dernière commande), `missed_orders`
    (commandes attendues pendant ce silence, au rythme habituel), `tickets_per_order`.

    Lève `DataError` si une colonne de `FEATURES` manque ou contient une valeur refusée par
    `validate_customers`.
    """
    features = _validated(customers, FEATURES, IN_MEMORY).astype("float64")
    recency, orders = features["recency_days"], features["total_orders"]
    tenure = features["days_since_signup"]
    return features.assign(
        orders_per_month=orders / (tenure / DAYS_PER_MONTH).clip(lower=1),
        recency_share=recency / tenure.clip(lower=1),
        missed_orders=orders * recency / tenure.clip(lower=1),
        tickets_per_order=features["support_tickets"] / orders.clip(lower=1),
    )


def split_customers(
    customers: pd.DataFrame, test_size: float = 0.25, seed: int = 42
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Découpe les clients en `(train, test)`, avec la même part de départs des deux côtés.

    La même graine donne toujours le même découpage. Les lignes gardent leur index et leurs colonnes.

    Lève `DataError` si `churned` manque, ou si l'une des deux classes compte moins de deux clients.
    """
    _require_both_classes(customers, at_least=2, purpose="découper")
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(customers, test_size=test_size, stratify=customers[TARGET], random_state=seed)
    return train, test


def train_model(train: pd.DataFrame, *, C: float = 1.0, seed: int = 42) -> "Pipeline":
    """Entraîne une régression logistique sur `engineer_features(train)`.

    Rend un `Pipeline` de scikit-learn : la mise à l'échelle, apprise sur `train` seulement, en fait
    partie. `C` est l'inverse de la force de régularisation (positif ; petit = modèle plus simple).
    `seed` fixe ce que le solveur tirerait au sort : deux entraînements donnent le même modèle.

    Lève `DataError` si une colonne manque ou est mal remplie, ou si `train` n'a qu'une seule classe.
    """
    _require_both_classes(train, at_least=1, purpose="entraîner")
    return build_model(C=C, random_state=seed).fit(engineer_features(train), train[TARGET])


def build_model(**hyperparameters: Any) -> "Pipeline":
    """Rend le `Pipeline` de `train_model`, pas encore entraîné ; `hyperparameters` règle sa `LogisticRegression`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    return Pipeline([("scaler", StandardScaler()), ("classifier", LogisticRegression(**hyperparameters))])


def evaluate_model(model: "Pipeline", test: pd.DataFrame) -> dict[str, float]:
    """Mesure le modèle sur des clients qu'il n'a jamais vus.

    Rend trois nombres entre 0 et 1 : `accuracy`, `auc`, et `majority`, la part de la classe la plus
    fréquente dans `test`. C'est l'`accuracy` d'un modèle qui répond toujours pareil : il faut la battre.

    Lève `DataError` si une colonne manque ou est mal remplie, ou si `test` n'a qu'une seule classe.
    """
    _require_both_classes(test, at_least=1, purpose="évaluer")
    from sklearn.metrics import accuracy_score, roc_auc_score

    churned, features = test[TARGET], engineer_features(test)
    return {
        "accuracy": float(accuracy_score(churned, model.predict(features))),
        "auc": float(roc_auc_score(churned, model.predict_proba(features)[:, 1])),
        "majority": float(churned.value_counts(normalize=True).max()),
    }


def predict_churn(model: "Pipeline", customers: pd.DataFrame) -> pd.DataFrame:
    """Prédit le départ de chaque client ; la colonne `churned` n'est pas nécessaire.

    Rend une ligne par client, dans l'ordre et avec l'index de `customers` : `customer_id`,
    `churn_probability` (entre 0 et 1) et `churn` (1 si la probabilité atteint 0,5, sinon 0).

    Lève `DataError` si une colonne manque ou est mal remplie.
    """
    customers = _validated(customers, (ID, *FEATURES), IN_MEMORY)
    probability = model.predict_proba(engineer_features(customers))[:, 1]
    return pd.DataFrame(
        {
            ID: customers[ID],
            "churn_probability": probability,
            "churn": (probability >= 0.5).astype(np.int64),
        }
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        problem = "ce fichier n'existe pas. Vérifiez le chemin, ou refaites-le : `python data/generate.py`."
    except IsADirectoryError:
        problem = "c'est un dossier. Donnez le chemin du fichier CSV lui-même."
    except PermissionError:
        problem = "vous n'avez pas le droit de lire ce fichier. Changez ses droits, ou copiez-le ailleurs."
    except UnicodeDecodeError:
        problem = "ce n'est pas du texte en UTF-8. Enregistrez-le au format « CSV UTF-8 »."
    except OSError as error:
        problem = f"la lecture a échoué ({error.strerror}). Vérifiez le disque et le chemin."
    raise DataError(f"{path} : {problem}")


def _read_csv(text: str, source: str) -> pd.DataFrame:
    content = text.removeprefix("\ufeff").rstrip()
    if not content:
        raise DataError(f"{source} : il n'y a rien à lire. Vérifiez que le fichier a été écrit en entier.")
    if content.lstrip().startswith("<"):
        raise DataError(f"{source} : c'est une page HTML, pas un CSV. Vérifiez l'adresse demandée.")
    try:
        header = _checked_header(content, source)
        customers = pd.read_csv(
            io.StringIO(content, newline=""), skipinitialspace=True, keep_default_na=False, na_values=[""]
        )
    except (csv.Error, pd.errors.ParserError) as error:
        raise DataError(f"{source} : ce n'est pas un CSV lisible ({error}). {ADVICE}") from error
    # pandas renomme les colonnes en double au lieu de les signaler.
    return customers.set_axis(header, axis="columns")


def _checked_header(content: str, source: str) -> list[str]:
    """L'en-tête, si toutes les lignes ont sa largeur : pandas compléterait en silence une ligne coupée."""
    reader = csv.reader(io.StringIO(content, newline=""))
    header = next(reader)
    for row in reader:
        if len(row) != len(header):
            raise DataError(
                f"{source}, ligne {reader.line_num} : champs lus : {len(row)} au lieu de {len(header)}. "
                "Si c'est la dernière ligne, le fichier est tronqué : copiez-le à nouveau."
            )
    return header


def _validated(customers: pd.DataFrame, columns: Sequence[str], source: str) -> pd.DataFrame:
    _require_columns(customers, columns, source)
    if customers.empty:
        raise DataError(f"{source} : aucun client, seulement des noms de colonnes. {ADVICE}")
    return pd.DataFrame({name: _checked(customers[name], source) for name in columns})


def _require_columns(customers: pd.DataFrame, columns: Sequence[str], source: str) -> None:
    found = list(customers.columns)
    if missing := [name for name in columns if name not in found]:
        header = ", ".join(map(str, found))[:80]
        raise DataError(
            f"{source} : il manque {', '.join(missing)}. "
            f"L'en-tête commence par « {header} » : vérifiez les noms et le séparateur (une virgule)."
        )
    if twice := [name for name in columns if found.count(name) > 1]:
        raise DataError(f"{source} : colonnes en double : {', '.join(twice)}. Gardez-en une de chaque.")


def _checked(column: pd.Series, source: str) -> pd.Series:
    values = pd.to_numeric(column, errors="coerce").astype("float64").to_numpy()
    for problem, wrong in _problems(column, values):
        if wrong.any():
            first = int(np.argmax(wrong))
            excerpt = str(column.iloc[first])[:30]
            raise DataError(
                f"{source}, colonne « {column.name} » : valeur {problem} (« {excerpt} ») "
                f"à la ligne {column.index[first]} ; lignes fautives : {wrong.sum()}. {ADVICE}"
            )
    kept = values if column.name in EUROS else values.astype("int64")
    return pd.Series(kept, index=column.index, name=column.name)


def _problems(column: pd.Series, values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Les règles d'une colonne, de la plus simple à la plus précise ; chacune suppose les précédentes."""
    yield "manquante", (column.isna() | (column == "")).to_numpy()
    yield "non numérique", np.isnan(values)
    yield "démesurée", abs(values) >= LARGEST
    yield "négative", values < 0
    if column.name not in EUROS:
        yield "non entière", values % 1 != 0
    if column.name == TARGET:
        yield "autre que 0 ou 1", ~np.isin(values, (0, 1))
    if column.name == ID:
        yield "déjà vue", pd.Series(values).duplicated().to_numpy()


def _require_both_classes(customers: pd.DataFrame, at_least: int, purpose: str) -> None:
    _require_columns(customers, (TARGET,), IN_MEMORY)
    churned = _checked(customers[TARGET], IN_MEMORY)
    counts = {label: int((churned == label).sum()) for label in (0, 1)}
    if min(counts.values()) < at_least:
        raise DataError(
            f"{IN_MEMORY}, colonne « {TARGET} » : {counts[0]} resté(s), {counts[1]} parti(s). "
            f"Pour {purpose}, il en faut au moins {at_least} de chaque sorte : prenez plus de clients."
        )
