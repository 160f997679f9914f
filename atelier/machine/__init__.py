"""La machine : chemins, réglages, adresses, ports, processus, paquets, fichiers.

Rien n'y connaît un kata ni un outil : ce qui parle de Prefect, MLflow ou Dagster est dans sa pièce.
"""
