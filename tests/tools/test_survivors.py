"""Les mutants que l'on garde vivants : chacun existe encore, et dit pourquoi."""

import pytest

from tests.helpers import katas
from tools.mutants import complaints, explained, mutants_of


def test_each_explained_survivor_is_in_a_kata() -> None:
    """Aucune explication ne parle d'un kata disparu."""
    assert explained().keys() <= set(katas.kata_folders())


@pytest.mark.parametrize("folder", sorted(explained()))
def test_each_explanation_names_a_mutant_and_its_reason(folder: str) -> None:
    """Un mutant qui n'existe plus n'a plus besoin d'excuse ; un mutant qui existe en veut une vraie."""
    names = {mutant.name for mutant in mutants_of(folder)}

    assert explained()[folder].keys() <= names
    for reason in explained()[folder].values():
        assert reason.startswith(("équivalent : ", "permis : ")), reason
        assert len(reason.split()) >= 5, reason


def test_survivor_without_a_reason_and_useless_reasons_are_told() -> None:
    """Un mutant vivant veut une raison ; une raison veut un mutant, et vivant."""
    killed = {"tué": True, "tué, et pourtant expliqué": True, "vivant": False, "vivant, et expliqué": False}
    reasons = ["tué, et pourtant expliqué", "vivant, et expliqué", "pas joué cette fois", "disparu"]

    told = complaints([*killed, "pas joué cette fois"], killed, reasons)

    assert ["vivant"] == told["survit"]
    assert ["tué, et pourtant expliqué"] == told["expliqué, mais tué"]
    assert ["disparu"] == told["expliqué, mais n'existe plus"]
