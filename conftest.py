"""Branche le harnais des katas : options, fixtures et messages sont dans `atelier/plugin.py`."""

pytest_plugins = ["atelier.plugin"]
