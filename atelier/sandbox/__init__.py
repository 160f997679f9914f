"""Le code d'un étudiant, tenu à distance : charger son fichier, lui reprendre la main.

Ce qu'on en pense se dit dans `feedback/` ; ce que les tests lui donnent est dans `props/`.
"""
