"""Ce qu'un notebook demande à l'atelier : MLflow branché, les vérifications de ses exercices.

Produire les notebooks est l'affaire d'`authoring/`.
"""
