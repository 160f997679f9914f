"""Le vrai MLflow : où vont les runs, ce qu'il a gardé, ses serveurs.

Les fixtures qui s'en servent sont dans `harness/`, les services de `make up` dans `stack/`.
"""
