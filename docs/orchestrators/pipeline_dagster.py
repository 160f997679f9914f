"""Le fil rouge en Dagster : les mêmes étapes, mais chacune porte le nom de ce qu'elle produit."""

import dagster as dg
import pandas as pd

from atelier import churn

RETRIES = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL)


@dg.multi_asset(outs={"train": dg.AssetOut(), "test": dg.AssetOut()}, retry_policy=RETRIES)
def customers() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Les clients, découpés."""
    return churn.split_customers(churn.load_customers())


@dg.asset(retry_policy=RETRIES)
def model(train: pd.DataFrame):
    """Le modèle."""
    return churn.train_model(train)


@dg.asset_check(asset="model", blocking=True, additional_ins={"test": dg.AssetIn("test")})
def beats_majority(model, test: pd.DataFrame) -> dg.AssetCheckResult:
    """Vaut-il mieux que la classe majoritaire ?"""
    metrics = churn.evaluate_model(model, test)
    return dg.AssetCheckResult(passed=metrics["accuracy"] > metrics["majority"], metadata=metrics)


@dg.asset(retry_policy=RETRIES)
def predictions(model) -> pd.DataFrame:
    """Qui va partir."""
    return churn.predict_churn(model, churn.load_customers())


pipeline = dg.define_asset_job("pipeline")
daily = dg.ScheduleDefinition(job=pipeline, cron_schedule="0 6 * * *", execution_timezone="Europe/Paris")
defs = dg.Definitions(
    [customers, model, predictions], asset_checks=[beats_majority], jobs=[pipeline], schedules=[daily]
)
