"""Les erreurs d'appel et de nom de Python, dites en français : de Python 3.11 à 3.13."""

import re

NAMES = re.compile(r"'(\w+)'")
# Ce que dit Python, et ce que cela veut dire : {0}, {1}… reprennent les groupes du motif.
EXPLANATIONS = {
    r"(\S+\(\)) missing \d+ required (?:positional|keyword-only) arguments?: (.+)": "{0} est appelée sans {1}",
    r"(\S+\(\)) takes 0 positional arguments but (\d+) (?:was|were) given": (
        "{0} n'attend aucun argument, et en reçoit {1}"
    ),
    r"(\S+\(\)) takes 1 positional argument but (\d+) (?:was|were) given": "{0} attend 1 argument, et en reçoit {1}",
    r"(\S+\(\)) takes (\d+) positional arguments but (\d+) (?:was|were) given": (
        "{0} attend {1} arguments, et en reçoit {2}"
    ),
    r"(\S+\(\)) takes from (\d+) to (\d+) positional arguments? but (\d+) (?:was|were) given": (
        "{0} attend de {1} à {2} arguments, et en reçoit {3}"
    ),
    r"(\S+\(\)) got an unexpected keyword argument '(\w+)'.*": "{0} n'a pas de paramètre « {1} »",
    r"(\S+\(\)) got multiple values for argument '(\w+)'": "{0} reçoit deux fois « {1} »",
    r"'(\w+)' object is not callable": "un « {0} » ne s'appelle pas, comme une fonction, avec des parenthèses",
    r"name '(\w+)' is not defined.*": "« {0} » n'est défini nulle part",
    r"cannot access local variable '(\w+)' where it is not associated with a value": (
        "« {0} » est lu dans la fonction avant d'y avoir une valeur"
    ),
}


def in_french(text: str) -> str:
    """Ce message en français, s'il est l'un de ceux-là ; tel quel sinon."""
    for pattern, meaning in EXPLANATIONS.items():
        if match := re.fullmatch(pattern, text.strip()):
            return meaning.format(*map(_listed, match.groups()))
    return text


def _listed(group: str) -> str:
    """« 'a', 'b', and 'c' » : une liste à la française."""
    return " ni ".join(f"« {name} »" for name in NAMES.findall(group)) or group
