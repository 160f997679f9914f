"""Le vrai Prefect : son serveur, la session, ce qu'il a enregistré, l'horloge simulée, un second processus.

Les fixtures qui s'en servent sont dans `harness/`, les services de `make up` dans `stack/`.
"""
