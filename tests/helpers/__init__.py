"""Ce dont les tests se servent : jouer un kata, un atelier de poche, des fichiers hostiles, un dev container."""
