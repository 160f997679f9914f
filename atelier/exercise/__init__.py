"""Les fichiers d'un kata : son stub, sa solution, son README ; ses marques, ses TODO, ce qui y est resté intact.

On y lit du texte, sans rien exécuter : charger le fichier d'un étudiant est l'affaire de `sandbox/`.
"""
