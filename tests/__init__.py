"""La suite de l'atelier lui-même."""
