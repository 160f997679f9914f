"""Branche le harnais des katas : options, fixtures et messages sont dans les plugins de `atelier/`."""

pytest_plugins = ["atelier.plugin", "atelier.dagster_fixtures", "atelier.mlflow_fixtures"]
