"""Le vrai Dagster : la session, ce qu'il a enregistré, ses erreurs en français.

Les fixtures qui s'en servent sont dans `harness/`, les services de `make up` dans `stack/`.
"""
