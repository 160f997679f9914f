"""Kata 08 : dire quelles données l'on veut, et laisser Dagster les produire."""

import dagster as dg
import pandas as pd

from atelier import churn, model_views


@dg.asset(kinds={"csv"})
def customers() -> pd.DataFrame:
    """Les clients."""
    return churn.load_customers()


@dg.asset(kinds={"pandas"})
def training_customers(
    # TODO 1 : reliez cet asset, et les deux suivants, à ceux dont ils se servent.
) -> pd.DataFrame:
    """Les trois quarts des clients, dont le modèle apprend."""
    return churn.split_customers(customers)[0]


@dg.asset(kinds={"pandas"})
def holdout_customers(
    # De même.
) -> pd.DataFrame:
    """Les autres, que le modèle ne voit jamais : ils le jugent."""
    return churn.split_customers(customers)[1]


@dg.asset(kinds={"pandas"})
def predictions(
    # De même.
) -> pd.DataFrame:
    """Qui va partir, parmi tous les clients."""
    return churn.predict_churn(model, customers)


class TrainingConfig(dg.Config):
    """Les réglages de l'entraînement, que l'on choisit à chaque lancement."""

    # TODO 2 : un réglage `C`, un nombre, 1.0 par défaut ; puis, dans `model`, entraînez `trained` avec lui.


@dg.asset(kinds={"scikitlearn"})
def model(config: TrainingConfig, training_customers: pd.DataFrame, holdout_customers: pd.DataFrame):
    """Le modèle, avec ce qu'il vaut."""
    raise NotImplementedError("TODO 2")
    return dg.MaterializeResult(
        value=trained,
        metadata={
            # TODO 3 : les mesures, `training_rows`, `features`, et deux vues : `weights` et `scores`.
        },
    )


@dg.asset_check(
    asset=model,
    additional_ins={"holdout_customers": dg.AssetIn()},
    # TODO 4 : ce check bloque la suite s'il échoue ; dites plus bas quand il réussit.
)
def model_beats_majority(model, holdout_customers: pd.DataFrame) -> dg.AssetCheckResult:
    """Le modèle a plus souvent raison que la réponse la plus fréquente."""
    raise NotImplementedError("TODO 4")


defs = dg.Definitions(
    assets=[customers, training_customers, holdout_customers, model, predictions],
    asset_checks=[model_beats_majority],
    schedules=[
        # TODO 5 : tout refaire chaque matin à 06:00, heure de Paris.
    ],
)


if __name__ == "__main__":
    from atelier.workshop import materialize

    materialize(defs)
    materialize(defs, "model", "predictions", config={"model": {"C": 0.00001}})
