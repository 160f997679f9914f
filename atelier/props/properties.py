"""Les propriétés des katas : les mêmes exemples à chaque fois, rien d'écrit sur le disque."""

from hypothesis import HealthCheck, Phase, settings

# Pour une fonction ordinaire : chaque exemple coûte quelques millisecondes, un échec est réduit au plus simple.
property_of_function = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    # Les fixtures ne sont pas refaites d'un exemple à l'autre : chaque test de kata remet les siennes à zéro.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# Pour un run Prefect : chaque exemple est un vrai run, donc peu d'exemples et pas de réduction.
property_of_run = settings(property_of_function, max_examples=6, phases=[Phase.explicit, Phase.generate])
