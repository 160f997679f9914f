"""Les commandes des pages : aucune n'est fausse."""

import re
import sys
from pathlib import Path

import pytest

from tests.helpers import doc_commands
from tests.helpers.doc_commands import Checker, Command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="les blocs des pages sont pour bash")
PAGES = doc_commands.all_pages()
WRONG = """\
`make strat` `pytest katas/00_tasks_flows --indise` `pytest katas/99_nowhere` `pytest katas/00_tasks_flows -m bonsu`
`python katas/00_tasks_flows/flows.py` `python -m atelier start` `python -m tests.nowhere` `uv pip snyc`
`prefect deploy --tous` `docker compose exec worskpace bash` `env pytest` `pytest katas/01_retries -k trainning`
`make stubs ARGS="01_retries --farce"` `airflow dags test churn_taskflows 2026-01-02` `cp .env.exemple .env`
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Une copie du dépôt, aux katas résolus."""
    return doc_commands.solved_copy(tmp_path_factory.mktemp("copy") / "atelier")


@pytest.mark.slow
def test_commands_of_the_pages_exist(copy: Path) -> None:
    """Chaque cible, option, module, fichier, marqueur qu'une page nomme existe ; aucune commande n'est ignorée."""
    found = [command for name, page in PAGES.items() for command in doc_commands.commands(name, page)]

    assert [] == Checker(copy).problems(found)


def test_both_readmes_say_the_same() -> None:
    """Les mêmes commandes, les mêmes katas, les mêmes minutes : l'anglais ne prend pas de retard."""
    french, english = (
        (
            [command.words for command in doc_commands.commands(name, PAGES[name])],
            re.findall(r"^\| (\d\d) \| \[(\w+)\]\(\S+\) \| (\d+) \|", PAGES[name], flags=re.MULTILINE),
        )
        for name in ("README.md", "README.en.md")
    )

    assert len(french[1]) > 0
    assert french == english


def test_blocks_of_the_pages_name_their_language() -> None:
    """Un bloc sans langue, ou d'une langue inconnue, cacherait des commandes."""
    assert [] == [place for name, page in PAGES.items() for place in doc_commands.unnamed_fences(name, page)]


def test_wrong_commands_are_seen(copy: Path) -> None:
    """Une relecture qui ne trouve jamais rien ne vaudrait rien : chaque erreur est vue, à sa ligne."""
    found = [Command(f"page.md:{line}", text) for line, text in enumerate(re.findall("`(.+?)`", WRONG), start=1)]

    problems = Checker(copy).problems(found)

    assert [command.place for command in found] == sorted({problem.split(" ")[0] for problem in problems}, key=_line)


def test_commands_are_found_with_their_line() -> None:
    """Dans un bloc, dans le fil du texte, à cheval sur deux lignes ; ni un nom seul, ni du Python."""
    prose = "`make`, `x = 'a b'`, `make\nup`\n\n"
    blocks = "```bash\n# rien\npytest katas  # tout\n```\n```text\nmake up\nPrêt.\n```\n```\n```\n"

    found = doc_commands.commands("page.md", prose + blocks)

    assert [("page.md:1", ["make", "up"]), ("page.md:6", ["pytest", "katas"]), ("page.md:9", ["make", "up"])] == [
        (command.place, command.words) for command in found
    ]
    assert ["page.md:12"] == doc_commands.unnamed_fences("page.md", prose + blocks)


def _line(place: str) -> int:
    return int(place.rpartition(":")[2])
