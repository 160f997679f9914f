"""Branche le harnais des katas : options, fixtures et messages sont dans les plugins de `atelier/harness/`."""

pytest_plugins = [
    "atelier.harness.plugin",
    "atelier.harness.prefect_fixtures",
    "atelier.harness.dagster_fixtures",
    "atelier.harness.mlflow_fixtures",
]
