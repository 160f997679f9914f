"""Les accessoires des tests de katas : source capricieuse, salon de discussion, rendez-vous, journaux, propriétés.

De vrais serveurs et de vraies mesures, sans orchestrateur : ceux-ci ont leur pièce.
"""
