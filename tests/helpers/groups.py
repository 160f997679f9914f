"""Quels tests vont ensemble dans un processus de pytest-xdist : ceux qui se partagent un travail.

`--dist loadgroup` le ferait, mais il écrit le groupe dans un attribut que pytest 9.2 ne lit plus.
"""

import re
from functools import cache
from typing import TYPE_CHECKING

from tests.helpers.katas import ROOT

if TYPE_CHECKING:
    import pytest
    from xdist.scheduler import LoadScopeScheduling

# Les plus longs d'abord : un long travail qui commencerait en dernier ferait attendre tous les autres.
LONGEST = (
    "embedded",
    "10_registry",
    "04_parallelism",
    "05_parameters",
    "09_tracking",
    "11_pipeline",
    "00_tasks_flows",
    "tests/sandbox/test_hostile_files.py",
    "07_notifications",
    "06_schedules",
    "08_assets",
    "tests/harness/test_machines.py",
    "tests/harness/test_command.py",
    "tests/harness/test_isolation.py",
    "tests/feedback/test_progress.py",
    "tests/harness/test_warm.py",
    "tests/notebook/test_checks.py",
    "tests/pages/test_doc_commands.py",
    "tests/dagster/test_probe.py",
    "tests/harness/test_outages.py",
)
KATA = re.compile(r"\[(\d\d_[a-z_]+)")


def group(test: str) -> str:
    """Le groupe de ce test, nommé `fichier::test[cas]` : son fichier, imports et fixtures compris."""
    file = test.partition("::")[0]
    if file.startswith("tests/embedded/"):
        return "embedded"
    text = _text(file)
    if "import kata_runs" in text or "kata_runs import" in text:  # tous les essais d'un kata, chacun joué une fois
        kata = KATA.search(test)
        return kata[1] if kata else test
    return file


def rank(test: str) -> int:
    """La place de son groupe."""
    return LONGEST.index(group(test)) if group(test) in LONGEST else len(LONGEST)


def scheduler(config: "pytest.Config", log: object) -> "LoadScopeScheduling":
    """De quoi donner à chaque processus un groupe après l'autre, dans l'ordre des tests."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    config.option.loadscopereorder = False
    return ByGroup(config, log)


@cache
def _text(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")
