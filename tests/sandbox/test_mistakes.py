"""Les fautes d'étudiant voyagent d'un processus à l'autre sans rien perdre."""

import pickle

import pytest

from atelier.sandbox.mistakes import EndlessCode, StudentMistake


@pytest.mark.parametrize("kind", [StudentMistake, EndlessCode])
def test_mistake_travels_whole(kind: type[StudentMistake]) -> None:
    """Relue ailleurs, une faute a le même type, les deux moitiés du message, le fichier et la ligne."""
    mistake = kind("attendu", "obtenu", "kata.py", 12)
    again = pickle.loads(pickle.dumps(mistake))

    assert type(mistake) is type(again)
    assert ("attendu", "obtenu", "kata.py", 12) == (again.expected, again.got, again.path, again.line)
    assert str(mistake) == str(again)
