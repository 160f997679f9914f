"""Fabrique `customer_data.csv` : des clients fictifs dont le départ dépend vraiment de leur activité.

    python data/generate.py

La même graine donne les mêmes octets partout : les montants se calculent en centimes entiers, et ce qui
passe par une exponentielle ou un logarithme est arrondi avant de servir.
"""

from pathlib import Path

import numpy as np
import pandas as pd

OUTPUT = Path(__file__).with_name("customer_data.csv")
SEED = 2024

DAYS_PER_MONTH = 30.44
DAYS_PER_YEAR = 365


def generate_customers(n: int = 5000, seed: int = SEED) -> pd.DataFrame:
    """Tire `n` clients : une ligne par client, dans l'ordre de `customer_id` (1 à n).

    Les colonnes se déduisent l'une de l'autre, de la cause vers l'effet ; `data/README.md` dit comment.
    """
    rng = np.random.default_rng(seed)
    days_since_signup = rng.integers(30, 5 * DAYS_PER_YEAR, n, endpoint=True)
    total_orders = _draw_orders(rng, days_since_signup)
    recency_days = _draw_recency(rng, days_since_signup, total_orders)
    basket_cents = _draw_baskets(rng, n)
    customers = pd.DataFrame(
        {
            "customer_id": np.arange(1, n + 1),
            "recency_days": recency_days,
            "frequency": _draw_last_year(rng, days_since_signup, total_orders, recency_days),
            "monetary_value": basket_cents * total_orders / 100,
            "avg_order_value": basket_cents / 100,
            "days_since_signup": days_since_signup,
            "total_orders": total_orders,
            "support_tickets": rng.poisson(0.5 + 0.3 * np.sqrt(total_orders / 10)),
            "age": 18 + rng.integers(0, 28, (2, n)).sum(axis=0),
        }
    )
    return customers.assign(churned=_draw_churn(rng, customers))


def write_csv(customers: pd.DataFrame, path: Path) -> None:
    """Écrit les clients en CSV : UTF-8, fins de ligne LF, euros à deux décimales."""
    customers.to_csv(path, index=False, float_format="%.2f", lineterminator="\n", encoding="utf-8")


def _draw_orders(rng: np.random.Generator, days_since_signup: np.ndarray) -> np.ndarray:
    """Commandes depuis l'inscription : au moins une, puis selon l'ancienneté et le rythme du client."""
    monthly_rate = np.minimum(0.45 * np.exp(0.8 * rng.standard_normal(days_since_signup.size)), 5)
    return 1 + rng.poisson(np.round(monthly_rate * days_since_signup / DAYS_PER_MONTH, 6))


def _draw_recency(rng: np.random.Generator, days_since_signup: np.ndarray, total_orders: np.ndarray) -> np.ndarray:
    """Jours depuis la dernière commande : l'intervalle habituel, très allongé chez trois clients sur dix."""
    slowdown = np.where(rng.random(total_orders.size) < 0.3, 5.0, 1.0)
    usual_interval = days_since_signup / total_orders
    silence = slowdown * usual_interval * rng.standard_exponential(total_orders.size)
    return np.minimum(np.floor(silence).astype(np.int64), days_since_signup)


def _draw_last_year(
    rng: np.random.Generator,
    days_since_signup: np.ndarray,
    total_orders: np.ndarray,
    recency_days: np.ndarray,
) -> np.ndarray:
    """Commandes des 365 derniers jours : la dernière, et une part des autres selon l'ancienneté."""
    share = np.clip((DAYS_PER_YEAR - recency_days + 1) / (days_since_signup - recency_days + 1), 0, 1)
    other_orders = rng.binomial(total_orders - 1, np.round(share, 6))
    return np.where(recency_days <= DAYS_PER_YEAR, 1 + other_orders, 0)


def _draw_baskets(rng: np.random.Generator, n: int) -> np.ndarray:
    """Panier moyen, en centimes : la moitié des clients au-dessus de 55 €."""
    return np.rint(5500 * np.exp(0.45 * rng.standard_normal(n))).astype(np.int64)


def _draw_churn(rng: np.random.Generator, customers: pd.DataFrame) -> np.ndarray:
    """1 si le client part : le silence et les tickets y poussent, la fréquence et la dépense retiennent."""
    missed_orders = customers["recency_days"] * customers["total_orders"] / customers["days_since_signup"]
    score = (
        -1.4
        + 0.15 * np.log1p(customers["recency_days"] / 30)
        + 0.65 * np.minimum(missed_orders, 5)
        + 0.8 * customers["support_tickets"]
        - 0.7 * np.log1p(customers["frequency"])
        - 0.5 * np.log(customers["monetary_value"] / 500)
        - 0.015 * (customers["age"] - 45)
    )
    probability = 1 / (1 + np.exp(-score))
    return (rng.random(len(customers)) < np.round(probability, 9)).astype(np.int64).to_numpy()


if __name__ == "__main__":
    customers = generate_customers()
    write_csv(customers, OUTPUT)
    print(f"{len(customers)} clients écrits dans {OUTPUT}")
