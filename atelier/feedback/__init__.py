"""Ce que l'étudiant lit : le verdict, le compte rendu, le parcours, la comparaison avec la solution.

Rien n'y lance de code : `harness/` joue les tests, `sandbox/` charge les fichiers.
"""
