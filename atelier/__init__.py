"""Le paquet de l'atelier : code du fil rouge, harnais des katas, serveurs locaux."""
