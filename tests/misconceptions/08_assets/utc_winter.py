# tué par : test_schedule_is_at_six_in_paris_every_day
# message : 27/03 à 06:00, 28/03 à 07:00
"""L'heure d'hiver est convertie à la main : en été, c'est une heure trop tard."""

import dagster as dg
import pandas as pd

from atelier import churn, model_views


@dg.asset(kinds={"csv"})
def customers() -> pd.DataFrame:
    """Les clients."""
    return churn.load_customers()


@dg.asset(kinds={"pandas"})
def training_customers(
    customers: pd.DataFrame,
) -> pd.DataFrame:
    """Les trois quarts des clients, dont le modèle apprend."""
    return churn.split_customers(customers)[0]


@dg.asset(kinds={"pandas"})
def holdout_customers(
    customers: pd.DataFrame,
) -> pd.DataFrame:
    """Les autres, que le modèle ne voit jamais : ils le jugent."""
    return churn.split_customers(customers)[1]


@dg.asset(kinds={"pandas"})
def predictions(
    model,
    customers: pd.DataFrame,
) -> pd.DataFrame:
    """Qui va partir, parmi tous les clients."""
    return churn.predict_churn(model, customers)


class TrainingConfig(dg.Config):
    """Les réglages de l'entraînement, que l'on choisit à chaque lancement."""

    C: float = 1.0


@dg.asset(kinds={"scikitlearn"})
def model(config: TrainingConfig, training_customers: pd.DataFrame, holdout_customers: pd.DataFrame):
    """Le modèle, avec ce qu'il vaut."""
    trained = churn.train_model(training_customers, C=config.C)
    return dg.MaterializeResult(
        value=trained,
        metadata={
            **churn.evaluate_model(trained, holdout_customers),
            "training_rows": len(training_customers),
            "features": list(trained.feature_names_in_),
            "weights": dg.MetadataValue.md(model_views.weights_table(trained)),
            "scores": dg.MetadataValue.md(model_views.score_histogram(trained, holdout_customers)),
        },
    )


@dg.asset_check(
    asset=model,
    additional_ins={"holdout_customers": dg.AssetIn()},
    blocking=True,
)
def model_beats_majority(model, holdout_customers: pd.DataFrame) -> dg.AssetCheckResult:
    """Le modèle a plus souvent raison que la réponse la plus fréquente."""
    metrics = churn.evaluate_model(model, holdout_customers)
    return dg.AssetCheckResult(passed=metrics["accuracy"] > metrics["majority"])


defs = dg.Definitions(
    assets=[customers, training_customers, holdout_customers, model, predictions],
    asset_checks=[model_beats_majority],
    schedules=[
        dg.ScheduleDefinition(
            name="every_morning",
            target=dg.AssetSelection.all(),
            cron_schedule="0 5 * * *",
        ),
    ],
)
