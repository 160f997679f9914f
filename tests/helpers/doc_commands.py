"""Les commandes que donnent les pages, et ce qui en serait faux : cible, option ou fichier qui n'existe pas.

Rien n'est passé sous silence : une commande dont le programme n'a pas de vérification ici est une erreur.
"""

import ast
import importlib.util
import json
import keyword
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from atelier.__main__ import app
from atelier.exercise.marks import make_solution
from atelier.machine.paths import ROOT

# Celles de la commande `atelier`.
COMMANDS = {command.name for command in app.registered_commands}
# Le CHANGELOG raconte le passé : ses commandes ont le droit d'avoir disparu.
PAGES = ("README*.md", "CONTRIBUTING.md", "data/*.md", "docs/**/*.md", "katas/*/README.md")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", flags=re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`]+)`")
SHELLS = ("bash", "powershell")
OTHERS = ("python", "text", "yaml")
# Ce que le lecteur remplace, et ce que le test met à la place.
EXAMPLES = {"NN_slug": "00_tasks_flows", "DOSSIER": "rendus/ada", "FOLDER": "rendus/ada"}
TRACKED = re.compile(
    r"(katas|solutions|docs|tests|data|notebooks|compose)(/|$)|\.ci/|requirements\.lock$|\.(env|venv)[./]"
)
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".atelier", "__pycache__", ".*_cache", ".hypothesis")
# Un seul processus pour tous les `pytest`, qui ne fait que lire leurs options : `no:python` ne trouve rien (code 5).
PARSE = """\
import contextlib, io, json, sys
import pytest

for arguments in json.load(sys.stdin):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        code = pytest.main([*arguments, "--collect-only", "-p", "no:cacheprovider", "-p", "no:python"])
    print(json.dumps("" if code == 5 else shown.getvalue().strip()))
"""


@dataclass(frozen=True)
class Command:
    """Une commande telle qu'elle est écrite, et l'endroit où elle l'est."""

    place: str
    text: str

    @property
    def words(self) -> list[str]:
        """Les mots, variables et commentaire ôtés, exemples remplacés ; `.venv` y a la forme de ce système."""
        text = re.sub(r"\.venv[\\/](Scripts|bin)[\\/]", ".venv/bin/", self.text)
        words = shlex.split(re.sub("|".join(EXAMPLES), lambda found: EXAMPLES[found[0]], text), comments=True)
        while words and (re.match(r"\w+=", words[0]) or words[0] == "sudo"):
            del words[0]
        return words


def commands(name: str, page: str) -> list[Command]:
    """Les commandes d'une page, des blocs et du fil du texte, dans l'ordre."""
    return sorted(dict.fromkeys([*_in_fences(name, page), *_in_prose(name, page)]), key=_line)


def unnamed_fences(name: str, page: str) -> list[str]:
    """Les blocs dont on ne sait pas s'ils contiennent des commandes."""
    found = [(match, match[1]) for match in FENCE.finditer(page)]
    return [f"{name}:{_line_of(page, match)}" for match, kind in found if kind not in SHELLS + OTHERS]


def all_pages() -> dict[str, str]:
    """Le texte de chaque page du dépôt."""
    paths = sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def solved_copy(folder: Path) -> Path:
    """Une copie du dépôt où les katas sont résolus, comme chez qui suit les pages jusqu'au bout."""
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    for source in folder.glob("solutions/[0-9]*/*.py"):
        solved = make_solution(source.read_text(encoding="utf-8"), source.name)
        (folder / "katas" / source.parent.name / source.name).write_text(solved, encoding="utf-8")
    for student in ("ada", "grace"):
        shutil.copytree(folder / "katas", folder / "rendus" / student)
    (folder / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    return folder


class Checker:
    """Compare chaque commande à ce qui existe vraiment, sans la jouer ; `folder` est une copie résolue."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pytest: dict[tuple[str, ...], list[str]] = {}
        self._checked: dict[tuple[str, ...], str] = {}

    def problems(self, found: list[Command]) -> list[str]:
        """Ce qui est faux, chacun avec `page:ligne` ; les `pytest` en dernier, tous ensemble."""
        # Les plus longues d'abord : leur aide vaut pour celles qui commencent de même.
        longest = sorted(found, key=lambda command: -len(command.words))
        problems = [f"{command.place} : {problem}" for command in longest if (problem := self._problem(command))]
        return problems + self._unparsed()

    def _problem(self, command: Command) -> str:
        words = command.words
        missing = [word for word in words if TRACKED.match(word) and not (self.folder / word).exists()]
        if missing:
            return f"{missing[0]} n'existe pas"
        return self._check(words, command.place)

    def _check(self, words: list[str], place: str) -> str:
        if Path(words[0]).name == "pytest":
            self._pytest.setdefault(tuple(words[1:]), []).append(place)
            return _unchosen(self.folder, words[1:])
        key = tuple(words)
        if key not in self._checked:
            covered = any(done[: len(key)] == key and not problem for done, problem in self._checked.items())
            self._checked[key] = "" if covered else self._check_program(words, place)
        return self._checked[key]

    def _check_program(self, words: list[str], place: str) -> str:
        program = Path(words[0]).name
        if program == "make":
            return self._check_make(words, place)
        if re.fullmatch(r"py|python3?", program):
            return self._check_python([word for word in words[1:] if not re.fullmatch(r"-3\.\d+", word)], place)
        if program == "atelier":
            return _check_atelier(words[1:])
        if program == "airflow":
            return _check_airflow(self.folder, words[1:])
        if program == "docker" and (problem := _check_compose(self.folder, words[1:])):
            return problem
        if program in SHELL:
            return _check_shell(words)
        if program in HELPED:
            return self._check_help(words[: words.index("exec") + 1] if "exec" in words else words)
        return f"« {program} » n'a pas de vérification dans tests/helpers/doc_commands.py"

    def _check_make(self, words: list[str], place: str) -> str:
        run = self._run([*words, "--dry-run", f"ATELIER_VENV={self.folder / '.venv'}"])
        if run.returncode:
            return run.stdout.strip()
        launched = re.findall(r"\S+/python (-m .+)", run.stdout)
        problems = [self._check(["python", *shlex.split(line)], place) for line in launched]
        return next(filter(None, problems), "")

    def _check_python(self, arguments: list[str], place: str) -> str:
        """Un module ou un fichier qui existe, et qui connaît ces options."""
        if arguments[0] != "-m":
            return _unknown_options(self.folder / arguments[0], arguments[1:])
        module, *rest = arguments[1:]
        if module == "pytest":
            return self._check(["pytest", *rest], place)
        if module == "atelier":
            return _check_atelier(rest)
        if module.partition(".")[0] not in ("tests", "tools"):
            return self._check_help([sys.executable, "-m", module, *rest])
        spec = importlib.util.find_spec(module)
        return _unknown_options(Path(spec.origin), rest) if spec and spec.origin else f"le module {module} n'existe pas"

    def _lacks_compose(self, words: list[str]) -> bool:
        """Compose est un greffon : `docker` est parfois là sans lui."""
        return words[:2] == ["docker", "compose"] and self._run(["docker", "compose", "version"]).returncode != 0

    def _check_help(self, words: list[str]) -> str:
        """L'aide de la commande entière : le programme refuse avant elle ce qu'il ne connaît pas."""
        if not shutil.which(words[0], path=path(self.folder)) or self._lacks_compose(words):
            return f"{words[0]} n'est pas installé" if words[0] not in MAYBE_MISSING else ""
        run = self._run([*words[:2], "-h"] if words[0] == "git" else [*words, "--help"])
        unknown = [option for option in _options(words) if option not in run.stdout]
        failed = run.returncode not in ((0, 129) if words[0] == "git" else (0,))
        return run.stdout.strip()[-400:] if failed else f"{unknown[0]} n'est pas dans son aide" if unknown else ""

    def _unparsed(self) -> list[str]:
        """Les `pytest` dont une option n'existe pas."""
        run = self._run([sys.executable, "-c", PARSE], stdin=json.dumps(list(self._pytest)))
        errors = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('"')]
        assert len(errors) == len(self._pytest), run.stdout
        found = zip(self._pytest.values(), errors, strict=True)
        return [f"{place} : {error}" for places, error in found for place in places if error]

    def _run(self, command: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": path(self.folder), "PYTHONPATH": str(self.folder), "COLUMNS": "200"}
        environment["ATELIER_HOME"] = str(self.folder / ".atelier")
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )


# Ceux dont l'aide fait foi ; les derniers ne sont pas partout où l'on travaille.
HELPED = {"mlflow", "prefect", "dagster", "uv", "git", "docker"}
MAYBE_MISSING = {"git", "docker"}
# Ceux du système : leur syntaxe est relue, leurs fichiers doivent exister.
SHELL = {"activate", "chown", "cp", "curl", "export", "id", "kill", "source"}


def _in_fences(name: str, page: str) -> Iterator[Command]:
    for fence in FENCE.finditer(page):
        first = _line_of(page, fence) + 1
        for number, line in enumerate(fence[2].splitlines(), start=first):
            command = Command(f"{name}:{number}", line.strip())
            if (fence[1] in SHELLS and command.words) or (fence[1] == "text" and _is_command(line)):
                yield command


def _in_prose(name: str, page: str) -> Iterator[Command]:
    prose = FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), page)
    for span in INLINE.finditer(prose):
        text = " ".join(span[1].split())
        if _is_command(text):
            yield Command(f"{name}:{_line_of(prose, span)}", text)


def _is_command(text: str) -> bool:
    """Un programme et au moins un mot de plus ; `make` ou `pytest` seuls ne sont que nommés."""
    try:
        words = Command("", text).words
    except ValueError:
        return False  # du Python, avec ses guillemets
    if len(words) < 2 or keyword.iskeyword(words[0]) or words[0] == "import":
        return False
    program = Path(words[0]).name
    known = HELPED | SHELL | {"make", "pytest", "py", "python", "python3", "airflow"}
    return program in known or shutil.which(words[0], path=path(ROOT)) is not None


def _check_atelier(arguments: list[str]) -> str:
    return "" if arguments[0] in [*COMMANDS, "--help"] else f"atelier n'a pas de commande {arguments[0]}"


def _check_airflow(folder: Path, words: list[str]) -> str:
    """Airflow a son environnement, et `test_airflow.py` y joue ces commandes ; ici, le nom du DAG et le jour."""
    if words[:2] == ["dags", "test"] and len(words) > 2:
        exists = (folder / "docs" / "airflow" / "dags" / f"{words[2]}.py").exists()
        return "" if exists and re.fullmatch(r"\d{4}-\d\d-\d\d", words[3]) else f"{words[2]} n'est pas un DAG"
    return "" if words in (["dags", "test"], ["db", "migrate"], ["standalone"]) else "commande d'Airflow inconnue"


def _check_compose(folder: Path, words: list[str]) -> str:
    """Les services que nomme `docker compose` sont ceux du fichier."""
    text = (folder / "compose" / "compose.yaml").read_text(encoding="utf-8").partition("\nservices:\n")[2]
    services = re.findall(r"^  ([\w-]+):$", text, flags=re.MULTILINE)
    named = re.findall(r"\b(?:exec|logs) ([\w-]+)", shlex.join(words)) if words[0] == "compose" else []
    unknown = [name for name in named if name not in services]
    return f"compose.yaml n'a pas de service {unknown[0]}" if unknown else ""


def _unchosen(folder: Path, words: list[str]) -> str:
    """Le marqueur ou le nom que choisit `pytest` existe dans les tests qu'on lui donne."""
    paths = [word for word in words if TRACKED.match(word)]
    texts = [file.read_text(encoding="utf-8") for path in paths for file in (folder / path).glob("**/test_*.py")]
    for option, value in pairwise(words):
        pattern = {"-m": rf"\bmark\.{value}\b", "-k": rf"def test_\w*{value}"}.get(option)
        if pattern and not any(re.search(pattern, text) for text in texts):
            return f"aucun test ne répond à {option} {value}"
    return ""


def _check_shell(words: list[str]) -> str:
    run = subprocess.run(["bash", "-n", "-c", shlex.join(words)], capture_output=True, text=True, check=False)
    return run.stderr.strip()


def _unknown_options(script: Path, words: list[str]) -> str:
    """Un de nos programmes : il existe, se compile, et son texte connaît chaque option."""
    if not script.exists():
        return f"{script.name} n'existe pas"
    text = script.read_text(encoding="utf-8")
    ast.parse(text)
    return next(
        (f"{option} n'est pas une option de {script.name}" for option in _options(words) if option not in text), ""
    )


def _options(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if word.startswith("--")]


def path(folder: Path) -> str:
    """Le PATH de qui a activé l'environnement de l'atelier."""
    return os.pathsep.join([str(folder / ".venv" / "bin"), sysconfig.get_path("scripts"), os.environ["PATH"]])


def _line_of(page: str, match: re.Match[str]) -> int:
    return page.count("\n", 0, match.start()) + 1


def _line(command: Command) -> int:
    return int(command.place.rpartition(":")[2])
