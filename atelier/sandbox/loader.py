"""Charge le module d'un kata par son chemin, neuf à chaque fois, et traduit ce qui peut mal tourner."""

import builtins
import difflib
import importlib.machinery
import importlib.util
import itertools
import linecache
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from atelier.exercise.kata import KataSource
from atelier.machine.errors import REINSTALL, EnvironmentProblem
from atelier.machine.packages import locked
from atelier.machine.paths import shown
from atelier.sandbox.mistakes import LOADING, StudentMistake
from atelier.sandbox.syntax import explained

_counter = itertools.count()
# Là où le nom à importer n'est pas celui du paquet à installer.
IMPORTED_AS = {"scikit-learn": "sklearn"}


class MissingName(StudentMistake, AttributeError):
    """Un nom que le kata demande et que le fichier ne définit pas ; `hasattr` et `getattr` marchent toujours."""


class KataModule(ModuleType):
    """Le module d'un étudiant : un nom absent devient un message, pas un `AttributeError`."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        close = difflib.get_close_matches(name, vars(self), n=1)
        renamed = f" ; vous avez « {close[0]} » : l'avez-vous renommée ?" if close else ""
        raise MissingName(
            expected=f"un nom « {name} » dans le fichier",
            got=f"ce nom n'existe pas{renamed}",
            path=self.__file__,
        )


@contextmanager
def loaded_module(source: KataSource) -> Iterator[KataModule]:
    """Charge le fichier sous un nom unique et l'oublie à la sortie.

    Lève `StudentMistake` si le fichier manque, ne se lit pas, ne se compile pas ou appelle `sys.exit` ;
    `EnvironmentProblem` si un paquet de l'atelier n'est pas installé. Les autres erreurs passent telles quelles.
    """
    with _noting_errors():
        code = _compile(source)
    name = f"{source.module}__{next(_counter)}"
    module = KataModule(name)
    module.__file__ = str(source.path)
    # Prefect, Dagster et pydantic retrouvent une fonction et ses annotations par son module.
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, origin=str(source.path))
    # `inspect.getsource` lit ce cache : il daterait d'avant la dernière sauvegarde.
    linecache.checkcache(str(source.path))
    sys.modules[name] = module
    try:
        with _noting_errors():
            _execute(code, module, source)
        yield module
    finally:
        sys.modules.pop(name, None)


@contextmanager
def _noting_errors() -> Iterator[None]:
    try:
        yield
    except BaseException as error:  # une interruption aussi : un `input()`, une boucle sans fin
        error.add_note(LOADING)
        raise


@contextmanager
def restored_process() -> Iterator[None]:
    """Rend ensuite ce qu'un fichier peut changer pour tout le monde : dossier, environnement, `sys`, `builtins`."""
    directory, environment, path = Path.cwd(), os.environ.copy(), sys.path.copy()
    names, limit, trace = vars(builtins).copy(), sys.getrecursionlimit(), sys.gettrace()
    try:
        yield
    finally:
        sys.settrace(trace)
        sys.setrecursionlimit(limit)
        vars(builtins).update(names)
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(directory)


def _compile(source: KataSource) -> object:
    content = _read(source)
    try:
        return compile(content, str(source.path), "exec", dont_inherit=True)
    except SyntaxError as error:
        lines = content.decode("utf-8", errors="replace").splitlines()
        line = lines[error.lineno - 1] if error.lineno and error.lineno <= len(lines) else ""
        raise StudentMistake(
            expected="un fichier que Python sait lire",
            got=explained(error.msg, line),
            path=source.path,
            line=error.lineno,
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise StudentMistake(
            expected="un fichier que Python sait lire",
            got=f"{type(error).__name__} : {error}",
            path=source.path,
        ) from error


def _read(source: KataSource) -> bytes:
    try:
        content = source.path.read_bytes()
    except OSError as error:
        got = "ce fichier n'existe pas" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise StudentMistake(
            expected=f"le fichier {shown(source.path)} (`make stubs` le recrée)", got=got, path=source.path
        ) from error
    try:
        importlib.util.decode_source(content)
    except (UnicodeDecodeError, SyntaxError) as error:
        got, line = _encoding_problem(content) or (f"un encodage inconnu ({error})", 1)
        raise StudentMistake("un fichier enregistré en UTF-8", got, source.path, line) from error
    return content


def _encoding_problem(content: bytes) -> tuple[str, int] | None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return f"un octet qui n'en est pas ({content[error.start]:#x})", line
    return None


def _execute(code: object, module: KataModule, source: KataSource) -> None:
    try:
        exec(code, module.__dict__)
    except SystemExit as error:
        raise StudentMistake(
            expected="un fichier qui se charge jusqu'au bout",
            got="un appel à `exit` pendant le chargement",
            path=source.path,
            line=line_in(error, source.path),
        ) from error


def explain_missing_package(error: ModuleNotFoundError) -> EnvironmentProblem | StudentMistake:
    """Distingue un paquet de l'atelier qui n'est pas installé d'un nom qui n'existe pas."""
    name = (error.name or str(error)).partition(".")[0]
    package = _workshop_packages().get(name)
    if package and importlib.util.find_spec(name) is None:
        return EnvironmentProblem(f"le paquet « {package} » n'est pas installé", REINSTALL)
    return StudentMistake(
        expected="des imports de paquets installés",
        got=f"« {error.name or error} » n'existe pas : une faute de frappe ?",
    )


def line_in(error: BaseException, path: Path | str) -> int | None:
    """La dernière ligne de `path` que traverse la trace de `error`, ou rien."""
    line, traceback = None, error.__traceback__
    while traceback:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _workshop_packages() -> dict[str, str]:
    """Les paquets du verrou, par le nom sous lequel on les importe."""
    names = [re.split(r"[\[=]", entry, maxsplit=1)[0] for entry in locked()]
    return {IMPORTED_AS.get(name, name.replace("-", "_")): name for name in names}
