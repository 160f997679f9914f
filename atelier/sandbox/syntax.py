"""Les erreurs de syntaxe de Python, dites en français : celles que l'on fait en apprenant, de Python 3.11 à 3.13."""

import re

CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})(?: |$)")
# Ce que dit Python, et ce que cela veut dire : {0}, {1}… reprennent les groupes du motif.
EXPLANATIONS = {
    r"'(.)' was never closed": "« {0} » s'ouvre ici et ne se ferme jamais",
    r"unmatched '(.)'": "« {0} » se ferme sans s'être ouvert",
    r"closing parenthesis '(.)' does not match opening parenthesis '(.)'": "« {1} » se ferme par « {0} »",
    r"expected ':'": "il manque « : » à la fin de cette ligne",
    r"forgot a comma": "il manque sans doute une virgule",
    r"unterminated triple-quoted": "un texte entre triples guillemets s'ouvre ici et ne se ferme jamais",
    r"unterminated (?:f-)?string": "un texte s'ouvre sur cette ligne et ne s'y ferme pas : il manque un guillemet",
    r"f-string: expecting '\}'": "une accolade s'ouvre dans ce texte et ne se ferme jamais",
    r"names after 'import'": "il manque ce qu'il faut importer",
    r"unexpected indent": "cette ligne est trop en retrait",
    r"unindent does not match": "le retrait de cette ligne n'est celui d'aucune ligne au-dessus",
    r"expected an indented block after (?:function|class) definition on line (\d+)": (
        "la définition de la ligne {0} n'a pas de corps : il doit suivre, en retrait"
    ),
    r"expected an indented block after '?(\w+)'? statement on line (\d+)": (
        "le « {0} » de la ligne {1} n'a pas de corps : il doit suivre, en retrait"
    ),
    r"inconsistent use of tabs": "des tabulations et des espaces se mélangent dans le retrait",
    r"'(\w+)' outside (?:async )?function": "« {0} » n'a pas sa place ici : il faut une fonction autour",
    r"keyword argument repeated: (\w+)": "l'argument « {0} » est donné deux fois",
    r"positional argument follows keyword": "un argument sans nom vient après un argument nommé",
    r"(?:non-default argument follows default|parameter without a default follows)": (
        "un paramètre sans valeur par défaut vient après un qui en a une"
    ),
    r"Maybe you meant '==' (?:or ':=' )?instead of '='|perhaps you meant \"==\"": (
        "« = » donne une valeur ; pour comparer, c'est « == »"
    ),
    r"expected 'except' or 'finally'": "un « try » sans « except » ni « finally »",
    r"invalid character '(.)'": "le caractère « {0} » n'est pas de Python : un copier-coller ?",
    r"invalid non-printable character U\+00A0": "une espace insécable : un copier-coller ? Remplacez-la par une espace",
}


def explained(message: str, line: str) -> str:
    """Ce que veut dire cette erreur, à cette ligne du fichier ; les mots de Python s'ils ne sont pas connus d'ici."""
    if mark := CONFLICT.match(line):
        return f"une marque de conflit de git, « {mark[1]} » : gardez l'une des deux versions, ôtez les marques"
    for pattern, meaning in EXPLANATIONS.items():
        if match := re.search(pattern, message):
            return meaning.format(*match.groups())
    return "Python ne comprend pas cette ligne" if message == "invalid syntax" else f"Python dit : {message}"
