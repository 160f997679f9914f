"""L'orthographe de ce qui se lit, et le relecteur lui-même."""

from pathlib import Path

import pytest

from tools import spelling

pytestmark = pytest.mark.skipif(
    not spelling.is_available(), reason=f"hunspell n'est pas installé, ou pas en français ({spelling.INSTALL})"
)


def test_pages_are_spelled_right() -> None:
    """Chaque mot est français, ou de l'atelier."""
    pages = {str(page.relative_to(spelling.ROOT)): spelling.text(page) for page in spelling.pages()}

    assert [] == spelling.unknown(pages)


def test_misspelled_word_is_found_with_its_line() -> None:
    """Une faute se voit, et l'on sait où ; ni l'en-tête, ni le code ne comptent."""
    page = (
        "---\ntheme: atelier\n---\n# Un titre\n\n```bash\npytst katas\n```\nL'orthograhpe de `pytst`, c'est l'usage.\n"
    )

    assert [("page.md:9", "orthograhpe")] == spelling.unknown({"page.md": page})


def test_misspelled_verdict_is_found_with_its_line(tmp_path: Path) -> None:
    """De même dans les tests d'un kata : leurs docstrings et leurs messages sont lus ; le reste ne l'est pas."""
    code = 'x = "nimporte"\n\n\ndef test():\n    """Une rêgle."""\n    assert 1, explain(expected=f"un {x} résultta")\n'
    file = tmp_path / "test_kata.py"
    file.write_text(code, encoding="utf-8")

    assert [("kata:5", "rêgle"), ("kata:6", "résultta")] == spelling.unknown({"kata": spelling.text(file)})


def test_dictionary_is_sorted() -> None:
    """Les mots de l'atelier sont rangés, sans doublon : les différences se relisent."""
    words = spelling.DICTIONARY.read_text(encoding="utf-8").split()

    assert sorted(set(words)) == words
