"""Les services de l'atelier : leur déclaration, leur vie, leur santé, les deployments des katas.

Ce qu'un outil sait de lui-même est dans sa pièce (`prefect/`, `mlflow/`, `dagster/`).
"""
