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
    # BEGIN SOLUTION
    customers: pd.DataFrame,
    # END SOLUTION
) -> pd.DataFrame:
    """Les trois quarts des clients, dont le modèle apprend."""
    return churn.split_customers(customers)[0]


@dg.asset(kinds={"pandas"})
def holdout_customers(
    # De même.
    # BEGIN SOLUTION
    customers: pd.DataFrame,
    # END SOLUTION
) -> pd.DataFrame:
    """Les autres, que le modèle ne voit jamais : ils le jugent."""
    return churn.split_customers(customers)[1]


@dg.asset(kinds={"pandas"})
def predictions(
    # De même.
    # BEGIN SOLUTION
    model,
    customers: pd.DataFrame,
    # END SOLUTION
) -> pd.DataFrame:
    """Qui va partir, parmi tous les clients."""
    return churn.predict_churn(model, customers)


class TrainingConfig(dg.Config):
    """Les réglages de l'entraînement, que l'on choisit à chaque lancement."""

    # TODO 2 : un réglage `C`, un nombre, 1.0 par défaut ; puis, dans `model`, entraînez `trained` avec lui.
    # BEGIN SOLUTION
    C: float = 1.0
    # END SOLUTION


@dg.asset(kinds={"scikitlearn"})
def model(config: TrainingConfig, training_customers: pd.DataFrame, holdout_customers: pd.DataFrame):
    """Le modèle, avec ce qu'il vaut."""
    # BEGIN SOLUTION
    trained = churn.train_model(training_customers, C=config.C)
    # END SOLUTION
    return dg.MaterializeResult(
        value=trained,
        metadata={
            # TODO 3 : les mesures, `training_rows`, `features`, et deux vues : `weights` et `scores`.
            # BEGIN SOLUTION
            **churn.evaluate_model(trained, holdout_customers),
            "training_rows": len(training_customers),
            "features": list(trained.feature_names_in_),
            "weights": dg.MetadataValue.md(model_views.weights_table(trained)),
            "scores": dg.MetadataValue.md(model_views.score_histogram(trained, holdout_customers)),
            # END SOLUTION
        },
    )


@dg.asset_check(
    asset=model,
    additional_ins={"holdout_customers": dg.AssetIn()},
    # TODO 4 : ce check bloque la suite s'il échoue ; dites plus bas quand il réussit.
    # BEGIN SOLUTION
    blocking=True,
    # END SOLUTION
)
def model_beats_majority(model, holdout_customers: pd.DataFrame) -> dg.AssetCheckResult:
    """Le modèle a plus souvent raison que la réponse la plus fréquente."""
    # BEGIN SOLUTION
    metrics = churn.evaluate_model(model, holdout_customers)
    return dg.AssetCheckResult(passed=metrics["accuracy"] > metrics["majority"])
    # END SOLUTION


defs = dg.Definitions(
    assets=[customers, training_customers, holdout_customers, model, predictions],
    asset_checks=[model_beats_majority],
    schedules=[
        # TODO 5 : tout refaire chaque matin à 06:00, heure de Paris.
        # BEGIN SOLUTION
        dg.ScheduleDefinition(
            name="every_morning",
            target=dg.AssetSelection.all(),
            cron_schedule="0 6 * * *",
            execution_timezone="Europe/Paris",
        ),
        # END SOLUTION
    ],
)


if __name__ == "__main__":
    from atelier.workshop import materialize

    materialize(defs)
    materialize(defs, "model", "predictions", config={"model": {"C": 0.00001}})
