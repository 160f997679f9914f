"""Les erreurs que Python lève le plus souvent, dites en français : de Python 3.11 à 3.13."""

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
    r"'NoneType' object has no attribute '(\w+)'": "« .{0} » est demandé à `None`, qui n'en a pas",
    r"module '(\S+)' has no attribute '(\w+)'": "le module `{0}` n'a pas de « {1} »",
    r"type object '(\w+)' has no attribute '(\w+)'": "la classe « {0} » n'a pas de « {1} »",
    r"'(\w+)' object has no attribute '(\w+)'": "un « {0} » n'a pas de « {1} »",
    r"cannot import name '(\w+)' from '(\S+)'.*": "« {0} » n'est pas dans le module `{1}`",
    r"'NoneType' object is not subscriptable": "`None` n'a pas d'éléments, donc pas de crochets",
    r"'(\w+)' object is not subscriptable": "un « {0} » n'a pas d'éléments, donc pas de crochets",
    r"'(\w+)' object does not support item assignment": "un élément d'un « {0} » ne se remplace pas",
    r"'(\w+)' object is not iterable": "un « {0} » ne se parcourt pas",
    r"cannot unpack non-iterable (\w+) object": "un « {0} » ne se sépare pas en plusieurs valeurs",
    r"too many values to unpack \(expected (\d+).*\)": "valeurs attendues : {0} ; il y en a plus",
    r"not enough values to unpack \(expected (?:at least )?(\d+), got (\d+)\)": (
        "valeurs attendues : {0} ; reçues : {1}"
    ),
    r"object of type '(\w+)' has no len\(\)": "un « {0} » n'a pas de longueur",
    r"unhashable type: '(\w+)'": "un « {0} » ne peut être ni une clé de dictionnaire, ni dans un ensemble",
    r"(?:list|tuple|string) index out of range": "il n'y a pas d'élément à cette place",
    r"unsupported operand type\(s\) for (\S+): '(\w+)' and '(\w+)'": (
        "l'opération `{0}` n'existe pas entre un « {1} » et un « {2} »"
    ),
    r"can only concatenate (\w+) \(not \"(\w+)\"\) to \w+": "un « {0} » ne s'ajoute qu'à un autre, pas à un « {1} »",
    r"'(\S+)' not supported between instances of '(\w+)' and '(\w+)'": (
        "la comparaison `{0}` n'existe pas entre un « {1} » et un « {2} »"
    ),
    r"(?:(?:complex|float|float floor|integer) )?(?:division|modulo|division or modulo) by zero|float modulo": (
        "on divise par zéro"
    ),
    r"(max|min)\(\) (?:arg is an empty sequence|iterable argument is empty)": (
        "`{0}` n'a rien à comparer : la suite est vide"
    ),
    r"could not convert string to float: '(.*)'": "« {0} » n'est pas un nombre",
    r"invalid literal for int\(\) with base 10: '(.*)'": "« {0} » n'est pas un nombre entier",
    r"dictionary changed size during iteration": "le dictionnaire change de taille pendant qu'on le parcourt",
    r"object (\w+) can't be used in 'await' expression": "un « {0} » ne s'attend pas avec `await`",
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
