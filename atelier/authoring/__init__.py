"""De quoi écrire l'atelier : stubs, notebooks et branche `solutions`, tirés de `solutions/`.

Lire les marques d'une source, savoir si un fichier est intact : c'est dans `exercise/`.
"""
