"""La branche `solutions` : un commit donné, plus un seul, où les katas et les notebooks sont résolus.

`make solutions-branch` la refait. Ni la copie de travail ni l'index ne changent : tout se passe dans la base de git.
Le même commit de départ donne toujours le même commit d'arrivée : refaire la branche pour rien ne la déplace pas.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from atelier.authoring.notebooks import solved_text
from atelier.exercise.marks import BEGIN, make_solution
from atelier.exercise.reading import StubError
from atelier.machine.paths import ROOT

SOLUTION = re.compile(r"solutions/(\d\d_[a-z0-9_]+/[a-z0-9_]+\.py)")
NOTEBOOK = re.compile(r"solutions/notebooks/([a-z0-9_]+)\.py")
SUBJECT = "solutions: résoudre les katas et les notebooks"


class BranchProblem(Exception):
    """La branche ne peut pas être refaite ; le message dit pourquoi."""


def main(argv: Sequence[str] | None = None) -> int:
    """Refait la branche ; rend 0, ou 1 si git ou une solution s'y oppose."""
    prog, description = "python -m atelier.authoring.solutions_branch", __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--from", dest="start", default="HEAD", metavar="COMMIT", help="d'où partir (HEAD)")
    parser.add_argument("--branch", default="solutions", help="le nom de la branche (solutions)")
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="le dépôt")
    options = parser.parse_args(argv)
    try:
        commit, count = build(_Git(options.root), options.start, options.branch)
    except (BranchProblem, StubError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"Branche {options.branch} : {commit[:10]}, fichiers résolus : {count}. Rien d'autre n'a changé.")
    return 0


@dataclass(frozen=True)
class _Git:
    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, text: str = "") -> str:
        finished = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env={**os.environ, **self.environment},
            input=text.encode(),
            capture_output=True,
            check=False,
        )
        if finished.returncode:
            raise BranchProblem(f"git {arguments[0]} : {finished.stderr.decode(errors='replace').strip()}")
        return finished.stdout.decode("utf-8").removesuffix("\n")


def build(git: _Git, start: str, branch: str) -> tuple[str, int]:
    """Écrit le commit et y mène la branche ; rend le commit et le nombre de fichiers résolus. Lève `BranchProblem`."""
    base = git("rev-parse", "--verify", f"{start}^{{commit}}")
    entries = list(_solved_entries(git, base))
    if not entries:
        raise BranchProblem(f"{start} : ce commit n'a aucune solution (solutions/NN_slug/module.py).")
    with tempfile.TemporaryDirectory() as directory:
        index = _Git(git.root, {"GIT_INDEX_FILE": str(Path(directory, "index"))})
        index("read-tree", base)
        index("update-index", "--index-info", text="\n".join(entries))
        tree = index("write-tree")
    commit = _Git(git.root, _identity(git, base))("commit-tree", tree, "-p", base, "-m", SUBJECT)
    git("branch", "--force", "--no-track", branch, commit)
    return commit, len(entries)


def _solved_entries(git: _Git, base: str) -> Iterator[str]:
    """Une ligne d'index par fichier à compléter : il a le contenu de la solution, sans ses repères."""
    for name, text in _solved_files(git, base):
        blob = git("hash-object", "-w", "--stdin", text=text)
        yield f"100644 {blob}\t{name}"


def _solved_files(git: _Git, base: str) -> Iterator[tuple[str, str]]:
    for name in git("ls-tree", "-r", "--name-only", base, "--", "solutions/").splitlines():
        if kata := SOLUTION.fullmatch(name):
            yield f"katas/{kata[1]}", make_solution(git("show", f"{base}:{name}") + "\n", name)
        elif notebook := NOTEBOOK.fullmatch(name):
            source = git("show", f"{base}:{name}") + "\n"
            if BEGIN in source:  # les autres se lisent seulement
                yield f"notebooks/{notebook[1]}.ipynb", solved_text(source, name)


def _identity(git: _Git, base: str) -> dict[str, str]:
    """L'auteur et la date du commit de départ : sinon, chaque exécution ferait un autre commit."""
    name, email, date = git("show", "--no-patch", "--format=%an%n%ae%n%aI", base).splitlines()
    values = {"NAME": name, "EMAIL": email, "DATE": date}
    return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in values.items()}


if __name__ == "__main__":
    sys.exit(main())
