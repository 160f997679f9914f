"""Vérifier les exercices d'un notebook : règle par règle, un verdict de la même forme que ceux des katas.

Chaque vérification a sa propre base MLflow : rien ne se mélange aux runs de l'étudiant, et le notebook retrouve ensuite
MLflow tel qu'il l'avait laissé. Les règles de chaque notebook sont dans un module à son nom.
"""

import inspect
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow

from atelier.exercise.kata import KataSource
from atelier.feedback.verdict import Outcome, Verdict, explain, judge
from atelier.mlflow.probe import Experiment, clean_mlflow, new_experiment, refuse_open_runs
from atelier.mlflow.store import connected, new_store
from atelier.sandbox.loader import line_in

Exercise = Callable[..., Any]
Test = Callable[[Exercise, Experiment], None]


@dataclass(frozen=True)
class Rule:
    """Ce qu'une fonction d'étudiant doit respecter ; `test` lève une erreur sinon."""

    todo: int
    text: str
    test: Test


def require(condition: object, *, expected: object, got: object) -> None:
    """Lève l'erreur qui explique une règle non tenue ; un `assert` se tairait avec `python -O`."""
    if not condition:
        raise AssertionError(explain(expected=expected, got=got))


class Exercises:
    """Les exercices d'un notebook : leurs règles, dans l'ordre où elles sont écrites."""

    def __init__(self, notebook: str) -> None:
        self.rules: list[Rule] = []
        self._notebook = notebook

    def rule(self, todo: int) -> Callable[[Test], Test]:
        """Fait de cette fonction une règle de ce TODO, dont l'énoncé est sa docstring."""

        def register(test: Test) -> Test:
            self.rules.append(Rule(todo, (inspect.getdoc(test) or "").rstrip("."), test))
            return test

        return register

    def check(self, todo: int, exercise: Exercise) -> None:
        """Joue les règles de ce TODO sur cette fonction, et affiche un verdict pour chacune."""
        if todo not in {rule.todo for rule in self.rules}:
            print(f"Il n'y a pas de TODO {todo} dans ce notebook.")
        told = set()
        for rule, verdict in self.verdicts(todo, exercise):
            if verdict is None:
                print(f"vert · TODO {todo} · {rule.text}")
                continue
            same = (verdict.expected, verdict.got, verdict.where)
            # Une erreur s'explique chaque fois qu'elle apprend autre chose.
            print(verdict.render().splitlines()[0] if same in told else verdict.render())
            told.add(same)
            if verdict.outcome is not Outcome.WRONG:
                return  # les règles suivantes diraient la même chose

    def verdicts(self, todo: int, exercise: Exercise) -> Iterator[tuple[Rule, Verdict | None]]:
        """Joue une règle après l'autre : chacune, et son verdict si elle n'est pas tenue."""
        for rule in self.rules:
            if rule.todo == todo:
                yield rule, self._verdict(rule, exercise)

    def _verdict(self, rule: Rule, exercise: Exercise) -> Verdict | None:
        try:
            with self._own_mlflow() as experiment:
                rule.test(exercise, experiment)
                refuse_open_runs()
        except Exception as error:
            file = getattr(getattr(exercise, "__code__", None), "co_filename", "")
            source = KataSource("notebooks", self._notebook, Path(file))
            verdict = judge(error, source=source, rule=rule.text, todo=rule.todo)
            line = line_in(error, file)
            return replace(verdict, where=f"ligne {line} de la cellule où cette fonction est écrite" if line else "")
        return None

    @contextmanager
    def _own_mlflow(self) -> Iterator[Experiment]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            store = new_store(Path(folder))
            with connected(store), clean_mlflow(store):
                experiment = new_experiment(self._notebook)
                mlflow.set_experiment(experiment.name)
                yield experiment
