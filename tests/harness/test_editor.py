"""L'explorateur de tests d'un éditeur : un script y lance pytest, et un plugin y lit les rapports."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from atelier.harness import warm
from tests.helpers import katas
from tests.helpers import toy as kata
from tests.helpers.toy import Toy, toy

__all__ = ["toy"]
pytestmark = pytest.mark.slow
SCRIPT = """\
import sys

import pytest

pytest.main(["-p", "editor_plugin", *sys.argv[1:]])
"""
PLUGIN = """\
import json
import os


def tell(*message):
    with open(os.environ["EDITOR"], "a", encoding="utf-8") as file:
        print(json.dumps(message), file=file)


def pytest_runtest_logreport(report):
    if report.when == "call":
        tell(report.nodeid.partition("::")[2], report.outcome, report.longreprtext)


def pytest_sessionfinish(exitstatus):
    tell("end", int(exitstatus), "")
"""


class Editor:
    """Un éditeur : il nomme les tests par leur chemin absolu, et retient ce que son plugin lui dit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "run.py").write_text(SCRIPT, encoding="utf-8")
        (folder / "editor_plugin.py").write_text(PLUGIN, encoding="utf-8")

    def run(self, root: Path, *tests: str, env: Mapping[str, str] | None = None) -> dict[str, tuple[str, str]]:
        """Lance ces tests ; rend l'issue et le texte de chacun, et, sous « end », le code de pytest."""
        heard = self._folder / "heard"
        subprocess.run(
            [sys.executable, self._folder / "run.py", f"--rootdir={root}", "-p", "no:cacheprovider", *tests],
            cwd=root,
            env={**os.environ, "EDITOR": str(heard), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=katas.TIMEOUT_SECONDS,
        )
        messages = map(json.loads, heard.read_text(encoding="utf-8").splitlines())
        heard.unlink()
        return {name: (outcome, text) for name, outcome, text in messages}


@pytest.fixture
def editor(tmp_path_factory: pytest.TempPathFactory) -> Editor:
    return Editor(tmp_path_factory.mktemp("editor"))


def test_editor_shows_each_verdict_whole(toy: Toy, editor: Editor) -> None:
    """Le terminal ne redit pas ce qu'il vient de dire ; dans l'éditeur, on ouvre chaque test à part."""
    toy.write(kata.ONE_DONE.replace('raise NotImplementedError("TODO 2")', "return 3"))

    heard = editor.run(toy.root, str(toy.tests), env={"ATELIER_WARM": "0"})
    in_terminal = toy.pytest().verdicts()

    expected = ["attendu : 2", "obtenu  : 3"]
    for name in ("test_two", "test_two_again"):
        assert expected == [line.strip() for line in heard[name][1].splitlines()[1:3]]
    assert ("passed", "failed", "failed", 1) == tuple(heard[name][0] for name in ("test_one", *in_terminal, "end"))
    assert [4, 1] == [len(verdict.strip().splitlines()) for verdict in in_terminal.values()]


@pytest.mark.skipif(not warm.is_possible(), reason="le préchauffage demande Linux, sans débogueur")
def test_editor_uses_the_warm_process_and_starts_it(editor: Editor) -> None:
    """Un premier lancement depuis l'éditeur préchauffe ; le suivant, confié au processus, dit la même chose."""
    test = f"{katas.test_file('00_tasks_flows')}::test_each_step_is_a_task"
    warm.stop()

    first = editor.run(katas.ROOT, test)
    katas.wait_until(warm.is_listening)
    second = editor.run(katas.ROOT, test)

    assert ["test_each_step_is_a_task", "end"] == list(first)
    assert first == second
