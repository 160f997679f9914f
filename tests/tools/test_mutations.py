"""Chaque façon d'abîmer une solution comme le ferait un étudiant, sur une petite fonction : ce qui en sort."""

import ast

import pytest

from tools.mutations import mutants

MODULE = '''\
import requests
from prefect import flow, task


class Settings:
    C: float = 1.0


def load(path) -> pd.DataFrame:
    return pd.read_csv(path)


{declaration}
def work({parameters}) -> {returned}:
    """Travaille."""
    # BEGIN SOLUTION
    {body}
    # END SOLUTION
'''
DECLARED = """\
@task(
    # BEGIN SOLUTION
    retries=3,
    # END SOLUTION
)
def work(path):
    return path
"""
CLASS = """\
class Settings:
    # BEGIN SOLUTION
    C: float = Field(gt=0, le=100)
    solver: Literal['lbfgs', 'newton'] = 'lbfgs'
    # END SOLUTION
"""
README = "Pour deux : `[10, 20]`. Chaque run s'appelle d'après ses réglages, par exemple\n« training C=0.5 »."


def damaged(body: str, change: str, *, parameters: str = "path", returned: str = "dict", **options: str) -> str:
    """Le mutant qui porte ce changement, dans une fonction au corps que voilà."""
    declaration = options.pop("declaration", "@flow")
    source = MODULE.format(body=body, parameters=parameters, returned=returned, declaration=declaration)
    return mutant_of(source, change, **options)


def mutant_of(source: str, change: str, **options: str) -> str:
    """Le mutant de cette source qui porte ce changement."""
    found = {mutant.change: mutant.source for mutant in mutants(source, **options)}

    assert change in found, "\n".join(found)
    return found[change]


def function_of(source: str) -> str:
    """Le texte de la dernière fonction, sans sa docstring."""
    function = ast.parse(source).body[-1]
    function.body = [node for node in function.body if not isinstance(getattr(node, "value", None), ast.Constant)]
    return ast.unparse(function)


def test_error_is_swallowed_and_something_empty_comes_out() -> None:
    """Un `try` autour d'un appel, et l'on rend un résultat vide du type annoncé."""
    source = damaged("return load(path)", "avale les erreurs de « return load(path) »")

    expected = (
        "@flow\ndef work(path) -> dict:\n    try:\n        return load(path)\n    except Exception:\n        return {}"
    )
    assert expected == function_of(source)


def test_whole_function_is_swallowed() -> None:
    """Toutes les instructions passent dans le même `try` ; la docstring reste en tête."""
    source = damaged("table = load(path)\n    return table", "work avale toutes les erreurs", returned="list")

    assert (
        "    try:\n        table = load(path)\n        return table\n    except Exception:\n        return []" in source
    )
    assert '"""Travaille."""\n    try:' in source


def test_first_result_is_kept_by_the_module() -> None:
    """Le second appel rend le résultat du premier, gardé dans un dictionnaire du module."""
    source = damaged("return path", "work garde son premier résultat")

    body = "    if 'work' in KEPT:\n        return KEPT['work']\n    return KEPT.setdefault('work', path)"
    assert f"@flow\ndef work(path) -> dict:\n{body}" == function_of(source)
    assert "\nKEPT = {}\n" in source


def test_results_are_kept_by_the_text_of_the_arguments() -> None:
    """La clé est un texte : deux tableaux de même aspect s'y confondent."""
    source = damaged("return path", "work garde ses résultats, par le texte de ses arguments")

    assert "return KEPT.setdefault(str((path,)), path)" in source


def test_cache_is_put_where_arguments_are_hashable() -> None:
    """`functools.cache` refuserait un tableau : ce mutant-là n'apprendrait rien."""
    change = "@functools.cache sur work"
    source = damaged("return path", change)
    refused = MODULE.format(body="return table", parameters="table: pd.DataFrame", returned="dict", declaration="@flow")

    assert "import functools" in source
    assert "@functools.cache\n@flow\ndef work" in source
    assert change not in {mutant.change for mutant in mutants(refused)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("table est gardé pour toujours", "KEPT['table'] if 'table' in KEPT else KEPT.setdefault('table', load(path))"),
        ("table est gardé par le texte de path", "KEPT.setdefault(str((path,)), load(path))"),
        ("work garde le premier path", "path = KEPT.setdefault('path', path)"),
    ],
)
def test_value_is_kept_from_the_call_before(change: str, expected: str) -> None:
    """Une seule valeur, ou un seul argument, reste de la première fois."""
    assert expected in damaged("table = load(path)\n    return table", change)


def test_function_of_which_only_the_decorator_is_written_is_damaged_by_decorators() -> None:
    """Le corps donné ne change pas : un décorateur de plus, sous celui de l'étudiant, avale ou retient."""
    for change, name in (
        ("work avale toutes les erreurs", "swallowing"),
        ("work garde son premier résultat", "remembering"),
        ("work garde ses résultats, par le texte de ses arguments", "remembering_texts"),
    ):
        source = mutant_of(DECLARED, change)

        assert source.endswith(f"@task(retries=3)\n@{name}\ndef work(path):\n    return path\n")
        assert f"def {name}(function):" in source
        compile(source, "mutant", "exec")


@pytest.mark.parametrize(
    ("body", "change", "expected"),
    [
        (
            "seen = {C: path for C in path}\n    return seen",
            "seen est un défaut de work, que tous les appels partagent",
            "def work(path, *, seen={}) -> dict:\n    seen.update({C: path for C in path})\n    return seen",
        ),
        (
            "return [C for C in path]",
            "collected est un défaut de work, que tous les appels partagent",
            "def work(path, *, collected=[]) -> dict:\n    collected.extend([C for C in path])\n    return collected",
        ),
        (
            "client = connect()\n    return client",
            "client est calculé à la définition de work",
            "def work(path, *, client=connect()) -> dict:\n    return client",
        ),
    ],
)
def test_default_is_shared_by_all_calls(body: str, change: str, expected: str) -> None:
    """Une collection en défaut d'argument, ou une valeur calculée une fois, à la définition."""
    assert f"@flow\n{expected}" == function_of(damaged(body, change))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("seulement 500, 502, 503, 504", "error.code == 429 or error.code in (500, 502, 503, 504)"),
        ("au moins 400", "error.code == 429 or error.code >= 400"),
        ("au moins 429", "error.code >= 429 or error.code >= 500"),
        ("« 429 » dans le texte de error", "'429' in str(error) or error.code >= 500"),
    ],
)
def test_condition_is_narrowed_or_widened(change: str, expected: str) -> None:
    """Une règle réduite aux codes connus, élargie, ou lue dans un texte."""
    body = "return error.code == 429 or error.code >= 500"

    assert f"    return {expected}\n" in damaged(body, change, parameters="error", returned="bool")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("type exact : requests.Timeout, OSError", "type(error) in (requests.Timeout, OSError)"),
        (
            "requests.Timeout élargi à requests.RequestException",
            "isinstance(error, requests.RequestException | OSError)",
        ),
        ("OSError élargi à Exception", "isinstance(error, requests.Timeout | Exception)"),
        ("reconnu à son texte : requests.Timeout, OSError", "'Timeout' in repr(error) or 'OSError' in repr(error)"),
    ],
)
def test_class_is_narrowed_or_widened(change: str, expected: str) -> None:
    """Une classe prise à la lettre, prise pour celle dont elle hérite, ou reconnue à son nom."""
    body = "return isinstance(error, requests.Timeout | OSError)"

    assert f"    return {expected}\n" in damaged(body, change, parameters="error", returned="bool")


def test_except_is_widened_or_narrowed() -> None:
    """On attrape tout, ou seulement ce à quoi l'on a pensé."""
    body = "try:\n        return load(path)\n    except {}:\n        return {{}}"

    assert "except Exception:" in damaged(body.format("OSError"), "OSError élargi à Exception")
    change = "n'attrape que ValueError et TypeError"
    assert "except (ValueError, TypeError):" in damaged(body.format("Exception"), change)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("gt → ge", "Field(ge=0, le=100)"),
        ("le → lt", "Field(gt=0, lt=100)"),
        ("float → int", "C: int = Field"),
        ("n'importe quel texte", "solver: str = 'lbfgs'"),
        ("Literal['lbfgs', 'newton'] : seulement 'lbfgs'", "solver: Literal['lbfgs'] = 'lbfgs'"),
    ],
)
def test_declaration_takes_more_or_less(change: str, expected: str) -> None:
    """Une limite comprise ou non, un type voisin, un seul des choix."""
    assert expected in mutant_of(CLASS, change)


@pytest.mark.parametrize(
    ("body", "change", "expected"),
    [
        ("return [C, path]", "rend l'exemple du README, [10, 20]", "    return [10, 20]\n"),
        ("name('training C={C}')", "l'exemple du README, 'training C=0.5'", "    name('training C=0.5')\n"),
        ("load(C)", "C → son défaut, 1.0", "    load(1.0)\n"),
        ("load(path)", "path → 'b.csv', la valeur d'un test", "    load('b.csv')\n"),
    ],
)
def test_example_takes_the_place_of_the_rule(body: str, change: str, expected: str) -> None:
    """L'exemple du README, le défaut ou la valeur d'un test, écrits en toutes lettres."""
    tests = "run(kata.work, 'b.csv', C=2.0)"

    assert expected in damaged(
        body, change, parameters="path, C: float = 1.0", returned="list", readme=README, tests=tests
    )


@pytest.mark.parametrize(
    ("returned", "change", "expected"),
    [
        ("pd.DataFrame", "rend make(C) les cent premières lignes", "make(C).head(100)"),
        ("pd.DataFrame", "rend make(C) en ordre inverse", "make(C)[::-1]"),
        ("pd.Series", "rend make(C) arrondi", "make(C).round(4)"),
        ("pd.Series", "rend make(C) trié", "make(C).sort_values()"),
        ("float", "rend make(C) arrondi", "round(make(C), 2)"),
        ("float", "rend make(C) entier", "int(make(C))"),
        ("list[float]", "rend make(C) trié", "sorted(make(C))"),
        ("list[float]", "rend make(C) les deux premiers", "make(C)[:2]"),
        ("list[float]", "rend make(C) arrondi", "[round(value, 1) for value in make(C)]"),
        ("dict[str, float]", "rend make(C) arrondi", "{key: round(value, 2) for key, value in make(C).items()}"),
        ("dict[str, float]", "rend make(C) le premier", "dict(list(make(C).items())[:1])"),
    ],
)
def test_result_is_cut_rounded_or_sorted(returned: str, change: str, expected: str) -> None:
    """Ce que l'on rend est tronqué, arrondi ou trié, selon le type annoncé."""
    assert f"    return {expected}\n" in damaged("return make(C)", change, returned=returned, parameters="C")


@pytest.mark.parametrize(
    ("body", "change", "expected"),
    [
        ("train(C)", "train reçoit C entier", "train(int(C))"),
        ("train(table)", "train reçoit table en ordre inverse", "train(table[::-1])"),
        ("other = load(C)\n    train(other)", "train reçoit other les cent premières lignes", "train(other.head(100))"),
        ("other = load(C)", "garde load(C) arrondi", "other = load(C).round(1)"),
        ("keep(str(C))", "str(C) coupé à 80 signes", "keep(str(C)[:80])"),
        ("say(f'{reasons}')", "{reasons} coupé à 80 signes", "say(f'{str(reasons)[:80]}')"),
        ("name('C={settings.C}')", "{settings.C} arrondi", "name('C={settings.C:.2f}')"),
    ],
)
def test_value_is_changed_where_it_is_used(body: str, change: str, expected: str) -> None:
    """Ce que reçoit un appel, ou ce que l'on garde, quand son type se lit dans le fichier."""
    parameters = "C: float, table: pd.DataFrame, reasons: dict, settings"

    assert f"    {expected}\n" in damaged(body, change, parameters=parameters)


@pytest.mark.parametrize(
    ("change", "iterated"),
    [
        ("parcourt path le premier", "list(path)[:1]"),
        ("parcourt path les deux premiers", "list(path)[:2]"),
        ("parcourt path sans le dernier", "list(path)[:-1]"),
        ("parcourt path en ordre inverse", "reversed(list(path))"),
    ],
)
def test_iteration_stops_early_or_goes_backwards(change: str, iterated: str) -> None:
    """Une boucle ou une compréhension ne voit qu'une partie, ou voit tout à l'envers."""
    assert f"for part in {iterated}:" in damaged("for part in path:\n        load(part)", change)
    assert f"for part in {iterated}]" in damaged("return [load(part) for part in path]", change)


def test_only_the_first_of_several_written_elements_is_kept() -> None:
    """De plusieurs éléments écrits, l'étudiant n'en a fait qu'un."""
    assert "    keep(['train'])\n" in damaged("keep(['train', 'test'])", "seulement 'train'")
    assert "    return {'train': 1}\n" in damaged("return {'train': 1, 'test': 2}", "seulement 'train'")
    body = "return isinstance(path, (str, int))"
    assert "    return isinstance(path, str)\n" in damaged(body, "seulement str")


def test_each_name_is_unique() -> None:
    """Un nom désigne un seul mutant : c'est lui que cite une explication."""
    source = MODULE.format(body="return load(1) + load(1)", parameters="path", returned="int", declaration="@flow")
    names = [mutant.name for mutant in mutants(source)]

    assert len(names) == len(set(names))
    assert {"ligne 17 : 1 → 2", "ligne 17 : 1 → 2 (2)"} <= set(names)
