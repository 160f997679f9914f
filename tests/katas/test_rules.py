"""Chaque règle d'un kata est essayée, et chaque test en essaie une : les tables de `tests/rules/`.

Une table par kata, une `[[rule]]` par règle : la phrase du README (ou du stub) qui la dit, son TODO, les tests qui la
vérifient, les valeurs qu'ils essaient et la limite. Entre accents graves, une valeur cite le fichier de tests du kata.
Une `[[permission]]` est une liberté : des réponses justes la prennent. `context` explique, sans rien demander. Les
réponses fausses que tue une règle ne sont pas recopiées : leurs en-têtes nomment leurs tests.
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pytest

from atelier.exercise.kata import kata_in
from atelier.exercise.marks import make_stub
from tests.helpers import kata_runs, katas

TABLES = katas.ROOT / "tests" / "rules"
# Ceux-là n'ont pas encore leur table.
PENDING = {"06_schedules", "07_notifications", "08_assets", "09_tracking", "10_registry", "11_pipeline"}
FOLDERS = [folder for folder in katas.kata_folders() if folder not in PENDING]
RULE = {"readme", "todo", "tests", "values", "boundary"}
MIN_VALUES = 2
# De quoi abîmer une règle juste, `FLOW`, et les défauts que l'on doit y voir.
FLOW = "Faites un `flow` de `churn_pipeline`."
DAMAGES = {
    "phrase que personne n'a écrite": (
        {"readme": "Faites deux `flows`."},
        ["ni dans le README ni dans le stub : « Faites deux `flows`. »", f"dans aucune règle : « {FLOW} »"],
    ),
    "test qui n'existe pas": (
        {"tests": ["test_pipeline"]},
        [
            "dans aucune règle : test_pipeline_is_a_flow",
            f"{FLOW} : pas de test_pipeline dans le kata",
            f"{FLOW} : ses tests n'ont pas « record.flow_run_id is not None »",
            f"{FLOW} : aucune réponse fausse connue",
        ],
    ),
    "TODO d'un autre test": (
        {"todo": 3},
        ["aucune règle pour le TODO 2", f"{FLOW} : test_pipeline_is_a_flow vise le TODO 2, pas 3"],
    ),
    "deux fois la même valeur": ({"values": ["`_call`", "`_call`"]}, [f"{FLOW} : une seule valeur, ou aucune"]),
    "pas de limite": ({"boundary": []}, [f"{FLOW} : aucune limite"]),
    "valeur que l'on n'essaie pas": ({"boundary": ["`_call(` et `12.5`"]}, [f"{FLOW} : ses tests n'ont pas « 12.5 »"]),
    "valeur d'une autre règle": (
        {"boundary": ["`_lookalikes()` et `_some_customers(9)`"]},
        [f"{FLOW} : ses tests n'ont pas « _some_customers(9) »"],
    ),
    "valeur qui ne cite rien": ({"boundary": ["un cas"]}, [f"{FLOW} : « un cas » ne cite pas les tests"]),
    "clé de trop": ({"bound": []}, [f"{FLOW} : des clés manquent, ou sont de trop : bound"]),
}


def test_every_kata_has_its_table() -> None:
    """À chaque kata sa table, et à chaque table son kata."""
    assert FOLDERS == sorted(file.stem for file in TABLES.glob("*.toml"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_table_agrees_with_readme_and_tests(folder: str) -> None:
    """Ce que dit le README est dans un test, et ce que vérifie un test est dans le README."""
    assert [] == list(_faults(folder, _table(folder)))


@pytest.mark.parametrize("damage", DAMAGES)
def test_fault_of_a_rule_is_seen(damage: str) -> None:
    """Une règle que l'on abîme est refusée, et l'on dit en quoi ; les autres vont bien."""
    changes, faults = DAMAGES[damage]
    table = _table(FOLDERS[0])
    next(rule for rule in table["rule"] if rule["readme"] == FLOW).update(changes)

    assert faults == list(_faults(FOLDERS[0], table))


def test_freedom_that_nobody_takes_is_seen() -> None:
    """Une liberté qu'aucune réponse juste ne prend est refusée."""
    table = _table(FOLDERS[0])
    permission = table["permission"][0]
    permission["accepted"] = ["nobody"]

    assert [f"{permission['readme']} : pas de réponse juste nobody"] == list(_faults(FOLDERS[0], table))


def test_rule_without_a_wrong_answer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Une règle dont aucun test ne tue une réponse fausse que l'on connaît est refusée."""
    others = [file for file in kata_runs.WRONG_ANSWERS if _killer(file) != "test_pipeline_is_a_flow"]
    monkeypatch.setattr(kata_runs, "WRONG_ANSWERS", others)

    assert [f"{FLOW} : aucune réponse fausse connue"] == list(_faults(FOLDERS[0], _table(FOLDERS[0])))


def _table(folder: str) -> dict:
    return tomllib.loads((TABLES / f"{folder}.toml").read_text(encoding="utf-8"))


def _faults(folder: str, table: dict) -> Iterator[str]:
    """Les défauts de la table d'un kata."""
    rules, permissions = table["rule"], table.get("permission", [])
    kata = kata_in(folder)
    readme = _flat(kata.readme.read_text(encoding="utf-8"))
    said = readme + "\n" + _flat(make_stub(kata.solution.read_text(encoding="utf-8")))

    quotes = [*table.get("context", []), *(entry["readme"] for entry in (*permissions, *rules))]
    yield from (f"ni dans le README ni dans le stub : « {quote} »" for quote in quotes if quote not in said)
    asked = readme.partition("## À faire")[2].partition("## Vérifier")[0]
    yield from (f"dans aucune règle : « {sentence} »" for sentence in _without(asked, quotes))

    named = {test for rule in rules for test in rule["tests"]}
    yield from (f"dans aucune règle : {test}" for test in kata_runs.tests(folder) if test not in named)
    numbers = {rule["todo"] for rule in rules}
    yield from (f"aucune règle pour le TODO {number}" for number in kata_runs.todos(folder) if number not in numbers)

    for permission in permissions:
        answers = permission["accepted"] or ["qui la prenne"]
        missing = [name for name in answers if not (katas.ACCEPTED / folder / f"{name}.py").is_file()]
        yield from (f"{permission['readme']} : pas de réponse juste {name}" for name in missing)
    for rule in rules:
        yield from (f"{rule['readme']} : {fault}" for fault in _faults_of_rule(folder, rule))


def _faults_of_rule(folder: str, rule: dict) -> Iterator[str]:
    if rule.keys() != RULE:
        yield f"des clés manquent, ou sont de trop : {', '.join(sorted(rule.keys() ^ RULE))}"
        return
    known = kata_runs.tests(folder)
    yield from (f"pas de {test} dans le kata" for test in rule["tests"] if test not in known)
    aims = {test: kata_runs.todo_of(known[test]) for test in rule["tests"] if test in known}
    yield from (f"{test} vise le TODO {aim}, pas {rule['todo']}" for test, aim in aims.items() if aim != rule["todo"])

    if len(set(rule["values"])) < MIN_VALUES:
        yield "une seule valeur, ou aucune"
    if not rule["boundary"]:
        yield "aucune limite"
    source = _flat(_source(folder, rule["tests"]))
    for value in (*rule["values"], *rule["boundary"]):
        pieces = re.findall(r"`(.+?)`", value)
        if not pieces:
            yield f"« {value} » ne cite pas les tests"
        yield from (f"ses tests n'ont pas « {piece} »" for piece in pieces if _flat(piece) not in source)

    if {_killer(file) for file in kata_runs.WRONG_ANSWERS if file.parent.name == folder}.isdisjoint(rule["tests"]):
        yield "aucune réponse fausse connue"


def _source(folder: str, kept: Collection[str]) -> str:
    """Le fichier de tests d'un kata, sans ses autres tests : leurs valeurs ne sont pas celles de la règle."""
    lines = kata_in(folder).test.read_text(encoding="utf-8").splitlines()
    for name, node in kata_runs.tests(folder).items():
        if name not in kept:
            first = min(node.lineno, *(decorator.lineno for decorator in node.decorator_list))
            lines[first - 1 : node.end_lineno] = [""] * (node.end_lineno - first + 1)
    return "\n".join(lines)


def _killer(wrong_answer: Path) -> str:
    return kata_runs.header_of(wrong_answer)["test"]


def _without(text: str, quotes: Iterable[str]) -> list[str]:
    """Ce qui reste d'un texte une fois ces citations ôtées, la plus longue d'abord."""
    for quote in sorted(quotes, key=len, reverse=True):
        text = text.replace(quote, "\n")
    parts = re.split(r"\n|\*\*TODO \d+\.\*\*", text)
    return [part.strip(" -") for part in parts if re.search(r"\w", part)]


def _flat(text: str) -> str:
    return " ".join(text.split())
