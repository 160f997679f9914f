"""Un kata de poche, sans Prefect : pytest le joue en une demi-seconde."""

from pathlib import Path

import pytest

from tests.helpers.katas import Workshop

FOLDER = "05_toy"
TESTS = '''\
import pytest

from atelier.feedback.verdict import explain


@pytest.mark.todo(1)
def test_one(kata):
    """`one` rend 1."""
    assert kata.one() == 1, explain(expected="1", got=kata.one())


@pytest.mark.todo(2)
def test_two(kata):
    """`two` rend 2."""
    assert kata.two() == 2, explain(expected="2", got=kata.two())


@pytest.mark.todo(2)
def test_two_again(kata):
    """`two` rend encore 2."""
    kata.two()
    assert kata.two() == 2, explain(expected="2", got=kata.two())
'''
SOLUTION = """\
def one():
    # TODO 1 : rendez 1.
    # BEGIN SOLUTION
    return 1
    # END SOLUTION


def two():
    # TODO 2 : rendez 2.
    # BEGIN SOLUTION
    return 2
    # END SOLUTION
"""
STUB = """\
def one():
    # TODO 1 : rendez 1.
    raise NotImplementedError("TODO 1")


def two():
    # TODO 2 : rendez 2.
    raise NotImplementedError("TODO 2")
"""
ONE_DONE = STUB.replace('raise NotImplementedError("TODO 1")', "return 1")
ONE_WRONG = STUB.replace('raise NotImplementedError("TODO 1")', "return 3")
DONE = ONE_DONE.replace('raise NotImplementedError("TODO 2")', "return 2")
README = """\
# Kata 05

## Indices

<details><summary>TODO 1, une piste</summary>

Pensez à un nombre.

</details>
<details><summary>TODO 1, presque la réponse</summary>

Le premier des entiers.

</details>

## Pour aller plus loin

<details><summary>TODO 1, un défi</summary>

Ce n'est pas un indice.

</details>
"""


class Toy(Workshop):
    """Un atelier qui n'a que ce kata, et sa solution."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.file = self.write_kata(FOLDER, "plain_toy", test=TESTS, code=STUB)
        self.tests = self.file.with_name("test_plain_toy.py")
        self.file.with_name("README.md").write_text(README, encoding="utf-8")
        solution = root / "solutions" / FOLDER / "plain_toy.py"
        solution.parent.mkdir(parents=True)
        solution.write_text(SOLUTION, encoding="utf-8")

    def write(self, code: str) -> None:
        """Ce que l'étudiant enregistre dans le fichier du kata."""
        self.file.write_text(code, encoding="utf-8")


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)
