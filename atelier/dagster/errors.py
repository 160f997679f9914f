"""Les erreurs de Dagster, dites en français à qui vient de le découvrir."""

import re
from typing import NamedTuple

from atelier.machine.errors import text_of


class Explanation(NamedTuple):
    """Les deux moitiés d'un verdict."""

    expected: str
    got: str


GRAPH, CONFIG, SCHEDULE = "un graphe sans boucle", "un lancement dont Dagster accepte la configuration", "un `schedule`"
# Ce que dit Dagster 1.13, ce qu'il attendait, et ce que cela veut dire : {0}, {1}… reprennent les groupes du motif.
EXPLANATIONS = {
    r'Input asset "\["(\w+)"\]" is not produced .*\["(\w+)"\]': (
        "des arguments qui portent le nom d'un asset",
        "aucun asset ne s'appelle « {0} » ; « {1} », peut-être ?",
    ),
    r'Input asset "\["(\w+)"\]" is not produced': (
        "des arguments qui portent le nom d'un asset de `defs`",
        "aucun asset ne s'appelle « {0} »",
    ),
    r'Asset "(\w+)" depends on itself': (GRAPH, "« {0} » se reçoit lui-même"),
    r"Circular dependencies exist among these items: \{AssetKey\(\['(\w+)'\]\)": (
        GRAPH,
        "une boucle passe par « {0} »",
    ),
    r"Duplicate asset key: AssetKey\(\['(\w+)'\]\)": ("un nom par asset", "deux assets s'appellent « {0} »"),
    r"multiple assets provided as parameters": (
        "un check qui reçoit l'asset qu'il vérifie, et ce que nomme son `additional_ins`",
        "un autre argument",
    ),
    r"'AssetsDefinition' object": (
        "les données d'un asset, reçues en argument",
        "l'asset lui-même, pris dans le fichier : un argument manque",
    ),
    r"non-annotated attribute was detected: `(\w+)": ("un réglage et son type", "« {0} » n'a pas de type"),
    r"Unable to resolve config type <class 'inspect\._empty'>": (
        "un argument `config`, annoté par la classe de la configuration",
        "`config` sans annotation",
    ),
    r"Unable to resolve config type <class '(?:\w+\.)*(\w+)'>": (
        "une `dg.Config`, dont les réglages ont des types simples",
        "« {0} »",
    ),
    r"Invalid scalar at path root:ops:(\w+):config:(\w+)\. Value \"(.*?)\".*type \"(\w+)\"": (
        CONFIG,
        "dans la configuration de « {0} », {1} = {2} n'est pas du type {3}",
    ),
    r'unexpected config entry "(\w+)" at path root:ops:(\w+)': (CONFIG, "« {1} » n'a pas de réglage « {0} »"),
    r'Missing required config entry "(\w+)"': (CONFIG, "« {0} » exige une configuration : rien par défaut"),
    r"Type check failed for step output .* type \"(\w+)\".*(?:type <class '|python type \")([\w.]+)": (
        "une fonction qui rend ce qu'annonce sa flèche `->`",
        "annoncé : {0} ; rendu : {1}",
    ),
    r"Value in Mapping mismatches expected type for key (\w+).*of type <class '(.*?)'>": (
        "des métadonnées que Dagster sait montrer : nombre, texte, liste, `MetadataValue`",
        "« {0} » est un {1}",
    ),
    r'Param "passed" is not a bool. Got (.*?) which': (
        "un `passed` qui vaut True ou False",
        "{0}, qui n'est pas de Python",
    ),
    r"No such file or directory: '.*[\\/]storage[\\/]+(\w+)'": (
        "un asset qui a déjà été matérialisé",
        "Dagster n'a rien gardé de « {0} »",
    ),
    r"invalid cron schedule '(.*?)'": (f"{SCHEDULE} au format cron, cinq champs", "« {0} »"),
    r"Invalid execution timezone (\S+)": (f"{SCHEDULE} dans un fuseau qui existe", "« {0} »"),
    r"must specify schedule name": (f"{SCHEDULE} qui a un nom", "aucun nom"),
    r"Must provide target, job": (f"{SCHEDULE} qui dit quels assets refaire", "aucune cible"),
}


def explanation(error: BaseException) -> Explanation | None:
    """Ce que veut dire une erreur, si c'est l'une de celles que l'on rencontre en apprenant Dagster."""
    text = text_of(error)
    for pattern, parts in EXPLANATIONS.items():
        if match := re.search(pattern, text, flags=re.DOTALL):
            return Explanation(*(part.format(*match.groups()) for part in parts))
    return None


def told(error: BaseException) -> str:
    """Une erreur en quelques mots."""
    if known := explanation(error):
        return known.got
    reason = text_of(error).strip().split("\n")[0]
    return f"{type(error).__name__} : {reason}" if reason else type(error).__name__
