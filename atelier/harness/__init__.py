"""Le harnais pytest : le plugin, les fixtures des trois outils, le processus préchauffé.

Le texte des verdicts est dans `feedback/`, la surveillance du code d'étudiant dans `sandbox/`.
"""
