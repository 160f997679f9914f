"""Des fichiers d'étudiants qui maltraitent le harnais, et ce que le verdict doit en dire.

Chaque fichier est censé contenir un flow `answer` qui rend 42. La ligne marquée `# ICI` est celle que le verdict
doit montrer ; `verdict` cite des morceaux du message, et sans lui le test doit être vert.
"""

from dataclasses import dataclass
from textwrap import dedent

HERE = "# ICI"
GOOD = """\
from prefect import flow, task


@task
def double(x):
    return 2 * x


@flow
def answer():
    return double(21)
"""


@dataclass(frozen=True)
class Hostile:
    """Un fichier et son verdict ; `code` vaut `None` quand le fichier manque."""

    name: str
    code: str | bytes | None
    verdict: tuple[str, ...] = ()

    @property
    def line(self) -> int | None:
        """La ligne que le verdict doit montrer."""
        lines = self.code.splitlines() if isinstance(self.code, str) else []
        return next((number for number, line in enumerate(lines, start=1) if HERE in line), None)


def _flow(body: str, *, head: str = "", name: str = "answer") -> str:
    """Un fichier dont le flow contient `body`."""
    return _file("flow", name, body, head)


def _task(body: str, *, call: str = "double(21)", head: str = "") -> str:
    """Un fichier dont la task contient `body`."""
    return _file("task", "double", body, head, argument="x") + f"\n\n@flow\ndef answer():\n    return {call}\n"


def _file(decorator: str, name: str, body: str, head: str, argument: str = "") -> str:
    lines = dedent(body).strip().splitlines()
    code = "\n".join(f"    {line}".rstrip() for line in lines)
    return f"from prefect import flow, task\n{dedent(head)}\n\n@{decorator}\ndef {name}({argument}):\n{code}\n"


def _top(line: str) -> str:
    """Un fichier juste, précédé de ces lignes."""
    return f"{dedent(line).strip()}\n{GOOD}"


WRONG = "à corriger"
ENDLESS = (WRONG, "attendu : du code qui se termine", "pas de réponse après 2 s")
LEFTOVER = (WRONG, "le thread", "tourne encore")

UNREADABLE = [
    Hostile(
        "syntax_error",
        _top("def broken(:  # ICI\n    pass"),
        (WRONG, "Python ne comprend pas cette ligne"),
    ),
    Hostile("indentation_error", _top("if True:\npass  # ICI"), (WRONG, "le « if » de la ligne", "n'a pas de corps")),
    Hostile("not_utf8", b"# -- \n" + "# caf\u00e9\n".encode("latin-1") + GOOD.encode(), (WRONG, "UTF-8", ":2")),
    Hostile("utf16", GOOD.encode("utf-16"), (WRONG, "UTF-8")),
    Hostile("unknown_encoding", b"# -*- coding: klingon -*-\n" + GOOD.encode(), (WRONG, "encodage inconnu")),
    Hostile("null_bytes", GOOD.encode() + b"\x00\x00", (WRONG, "un fichier que Python sait lire")),
    Hostile("empty", "", (WRONG, "un nom « answer » dans le fichier")),
    Hostile("deleted", None, (WRONG, "ce fichier n'existe pas", "make stubs")),
    Hostile("deep_nesting", f"x = {'(' * 500}{')' * 500}\n", (WRONG, "un fichier que Python sait lire")),
]
READABLE = [
    Hostile("crlf", GOOD.replace("\n", "\r\n").encode()),
    Hostile("bom", b"\xef\xbb\xbf" + GOOD.encode()),
    Hostile("declared_latin1", b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + GOOD.encode()),
    Hostile("no_final_newline", GOOD.rstrip("\n")),
    Hostile("future_annotations", "from __future__ import annotations\n" + GOOD.replace("(x)", "(x: int) -> int")),
    Hostile("dataclass", _top("import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: 'int' = 1")),
]
NAMES = [
    Hostile("misspelt", GOOD.replace("answer", "anwser"), (WRONG, "« answer »", "vous avez « anwser »")),
    Hostile("missing_name", GOOD.split("@flow")[0], (WRONG, "« answer »", "ce nom n'existe pas")),
    Hostile("class_instead", GOOD.split("@flow")[0] + "class answer:\n    pass\n", (WRONG, "une classe")),
    Hostile("value_instead", GOOD.split("@flow")[0] + "answer = 42\n", (WRONG, "connu de Prefect", "42")),
    Hostile("plain_function", GOOD.replace("@flow", ""), (WRONG, "une fonction Python ordinaire")),
    Hostile("wrong_arity", GOOD.replace("answer()", "answer(path)"), (WRONG, "path")),
    Hostile("task_wrong_arity", GOOD.replace("double(21)", "double(21, 2)  # ICI"), (WRONG, "double")),
]
IMPORTS = [
    Hostile("unknown_package", _top("import pandsa  # ICI"), (WRONG, "« pandsa » n'existe pas")),
    Hostile("unknown_submodule", _top("import json.frames  # ICI"), (WRONG, "« json.frames » n'existe pas")),
    Hostile("unknown_name", _top("from prefect import tsk  # ICI"), (WRONG, "ImportError", "tsk")),
    Hostile("unknown_package_in_task", _task("import pandsa  # ICI"), (WRONG, "« pandsa » n'existe pas")),
    Hostile(
        "not_installed",
        _top("import discord_webhook"),
        ("environnement en panne", "le paquet « discord-webhook » n'est pas installé", "réparer : make -B up"),
    ),
    Hostile(
        "not_installed_in_task",
        _task("import discord_webhook"),
        ("environnement en panne", "le paquet « discord-webhook » n'est pas installé", "réparer : make -B up"),
    ),
]
EXITS = [
    Hostile("sys_exit_at_import", _top("import sys\nsys.exit()  # ICI"), (WRONG, "un appel à `exit`")),
    Hostile("sys_exit_in_flow", _flow("import sys\nsys.exit(0)  # ICI"), (WRONG, "un appel à `exit`")),
    Hostile("sys_exit_in_task", _task("import sys\nsys.exit(0)  # ICI"), (WRONG, "un appel à `exit`")),
    Hostile("os_exit_at_import", _top("import os\nos._exit(0)  # ICI"), (WRONG, "os._exit, qui tue Python")),
    Hostile("os_exit_in_task", _task("import os\nos._exit(0)  # ICI"), (WRONG, "os._exit, qui tue Python")),
    Hostile("os_abort_in_task", _task("import os\nos.abort()  # ICI"), (WRONG, "os.abort, qui tue Python")),
    Hostile(
        "os_exit_in_submitted_task",
        _task("import os\nos._exit(0)  # ICI", call="double.submit(21).result()"),
        (WRONG, "os._exit, qui tue Python"),
    ),
    Hostile(
        "os_exit_in_thread",
        _flow(
            """
            import os, threading
            thread = threading.Thread(target=lambda: os._exit(0))  # ICI
            thread.start()
            thread.join()
            return 42
            """
        ),
        (WRONG, "os._exit, qui tue Python"),
    ),
    Hostile("keyboard_interrupt_at_import", _top("raise KeyboardInterrupt  # ICI"), (WRONG, "KeyboardInterrupt")),
    Hostile("keyboard_interrupt", _task("raise KeyboardInterrupt  # ICI"), (WRONG, "KeyboardInterrupt")),
    Hostile("pytest_skip", _flow("import pytest\npytest.skip('non')  # ICI"), (WRONG, "Skipped")),
    Hostile("pytest_exit", _flow("import pytest\npytest.exit('non')"), (WRONG, "Exit")),
    Hostile("pytest_exit_at_import", _top("import pytest\npytest.exit('non')  # ICI"), (WRONG, "Exit")),
    Hostile("generator_exit", _task("raise GeneratorExit  # ICI"), (WRONG, "GeneratorExit")),
]
ENDLESS_LOOPS = [
    Hostile("loop_at_import", _top("while True:  # ICI\n    pass"), ENDLESS),
    Hostile("loop_in_flow", _flow("while True: pass  # ICI"), ENDLESS),
    Hostile("loop_in_task", _task("while True: pass  # ICI"), ENDLESS),
    Hostile("loop_in_submitted_task", _task("while True: pass  # ICI", call="double.submit(21).result()"), ENDLESS),
    Hostile("loop_in_mapped_tasks", _task("while True: pass  # ICI", call="double.map([1, 2]).result()"), ENDLESS),
    Hostile("loop_with_except_exception", _task("while True:\n    try: 1 / 0\n    except Exception: pass"), ENDLESS),
    Hostile("endless_wait", _task("import threading\nthreading.Event().wait()  # ICI"), ENDLESS),
    Hostile(
        "endless_wait_in_submitted_task",
        _task("import threading\nthreading.Event().wait()  # ICI", call="double.submit(21).result()"),
        ENDLESS,
    ),
    Hostile(
        "endless_async_wait",
        _task("import asyncio\nasyncio.run(asyncio.Event().wait())  # ICI"),
        ENDLESS,
    ),
    Hostile("endless_regex", _task("import re\nreturn re.match('(a+)+b', 'a' * 60)  # ICI"), ENDLESS),
]
WAITS = [
    Hostile("sleep_at_import", _top("import time\ntime.sleep(3600)")),
    Hostile("async_sleep_in_task", _task("import asyncio\nasyncio.run(asyncio.sleep(3600))\nreturn 42")),
    Hostile("sleep_in_task", _task("import time\ntime.sleep(3600)\nreturn 42")),
    Hostile("sleep_imported_by_name", _task("sleep(3600)\nreturn 42", head="from time import sleep")),
    Hostile(
        "sleep_in_submitted_task", _task("import time\ntime.sleep(3600)\nreturn 42", call="double.submit(21).result()")
    ),
    Hostile("input", _task("return int(input())  # ICI"), (WRONG, "`input`")),
    Hostile("read_stdin", _task("import sys\nreturn int(sys.stdin.read())"), (WRONG, "stdin")),
]
_START = """
import threading, time
threading.Thread(target={target}, daemon={daemon}).start()  # ICI
return 42
"""
_SPIN = "def spin():\n    while True:\n        pass\n"
_STUBBORN = (
    "def spin():\n    while True:\n        try:\n            1 / 0\n        except BaseException:\n            pass\n"
)
THREADS = [
    Hostile("looping_daemon", _flow(_START.format(target="spin", daemon=True).replace(HERE, ""), head=_SPIN), LEFTOVER),
    Hostile(
        "looping_thread", _flow(_START.format(target="spin", daemon=False).replace(HERE, ""), head=_SPIN), LEFTOVER
    ),
    Hostile("sleeping_daemon", _flow(_START.format(target="threading.Event().wait", daemon=True)), LEFTOVER),
    Hostile("sleeping_thread", _flow(_START.format(target="threading.Event().wait", daemon=False)), LEFTOVER),
    Hostile("timer", _flow("import threading\nthreading.Timer(3600, print).start()  # ICI\nreturn 42"), LEFTOVER),
    Hostile("thread_at_import", _top(_SPIN + "import threading\nthreading.Thread(target=spin).start()"), LEFTOVER),
    Hostile("finished_thread", _flow("import threading\nthreading.Thread(target=print).start()\nreturn 42")),
]
OUTPUT = [
    Hostile("prints_at_import", _top("print('bonjour')")),
    Hostile(
        "ten_megabytes_of_lines",
        _task("for _ in range(50_000): print('x' * 200)\nraise ValueError('fin')  # ICI"),
        (WRONG, "ValueError : fin", "affiché : xxx"),
    ),
    Hostile(
        "ten_megabytes_in_a_line",
        _task("print('x' * 10_000_000)\nraise ValueError('fin')  # ICI"),
        (WRONG, "ValueError : fin"),
    ),
    Hostile("ten_megabyte_message", _flow("raise ValueError('x' * 10_000_000)  # ICI"), (WRONG, "ValueError : xxx")),
    Hostile(
        "ten_megabyte_words", _task("raise ValueError('mot ' * 2_500_000)  # ICI"), (WRONG, "ValueError : mot mot")
    ),
    Hostile(
        "long_message_of_many_lines",
        _task("raise ValueError('\\n'.join(map(str, range(99_999))))  # ICI"),
        (WRONG, "ValueError : 0"),
    ),
    Hostile(
        "str_raises",
        _task("raise Odd", head="class Odd(Exception):\n    def __str__(self): raise ValueError('non')"),
        (WRONG, "non"),
    ),
    Hostile(
        "str_returns_no_text",
        _task("raise Odd", head="class Odd(Exception):\n    def __str__(self): return 3"),
        (WRONG, "non-string"),
    ),
    Hostile(
        "repr_raises",
        _flow("return Odd()", head="class Odd:\n    def __repr__(self): raise ValueError('non')"),
        (WRONG,),
    ),
    Hostile("empty_message", _task("raise ValueError  # ICI"), (WRONG, "ValueError")),
    Hostile(
        "escape_codes",
        _task("print('\\x1b[2J\\x07 avant')\nraise ValueError('\\x1b[31mrouge')  # ICI"),
        (WRONG, "rouge", "avant"),
    ),
    Hostile("warnings", _task("import warnings\nfor n in range(99): warnings.warn(f'attention {n}')\nreturn 42")),
    Hostile("invalid_escape", _top("pattern = '\\d'")),
    Hostile(
        "logs",
        _task("import logging\nlogging.getLogger().error('raté')\nraise ValueError('fin')  # ICI"),
        (WRONG, "ValueError : fin"),
    ),
]
ERRORS = [
    Hostile("recursion", _task("return double.fn(x)  # ICI"), (WRONG, "RecursionError")),
    Hostile("recursion_at_import", _top("def f(): return f()  # ICI\nf()"), (WRONG, "RecursionError")),
    Hostile(
        "exception_group",
        _task("raise ExceptionGroup('deux', [ValueError('un'), TypeError('deux')])  # ICI"),
        (WRONG, "ExceptionGroup"),
    ),
    Hostile(
        "error_with_a_cause",
        _task("try: 1 / 0\nexcept ZeroDivisionError as e: raise ValueError('fin') from e  # ICI"),
        (WRONG, "ValueError : fin"),
    ),
    Hostile(
        "cyclic_causes",
        _task("a, b = ValueError('a'), ValueError('b')\na.__cause__, b.__cause__ = b, a\nraise a  # ICI"),
        (WRONG, "ValueError : a"),
    ),
    Hostile(
        "own_not_implemented", _task("raise NotImplementedError('plus tard')  # ICI"), (WRONG, "NotImplementedError")
    ),
    Hostile("todo_left", _task("raise NotImplementedError('TODO 2')  # ICI"), ("pas encore fait · TODO 2",)),
    Hostile("pytest_fail", _flow("import pytest\npytest.fail('non')  # ICI"), (WRONG,)),
    Hostile("wrong_value", GOOD.replace("2 * x", "3 * x"), (WRONG, "attendu : 42", "obtenu  : 63")),
]
PROCESS = [
    Hostile("changes_directory", _top("import os, tempfile\nos.chdir(tempfile.mkdtemp())")),
    Hostile(
        "removes_its_directory",
        _top("import os, tempfile\nos.chdir(d := tempfile.mkdtemp())\nos.rmdir(d)\n")
        + "    raise ValueError('fin')  # ICI\n".replace("    raise", "\n\n@flow\ndef answer():\n    raise"),
        (WRONG, "ValueError : fin"),
    ),
    Hostile(
        "changes_environment",
        _top("import os\nos.environ['PREFECT_API_URL'] = 'http://127.0.0.1:9/api'\nos.environ.clear()"),
    ),
    Hostile("changes_path", _top("import sys\nsys.path[:] = []")),
    Hostile("replaces_print", _top("import builtins\nbuiltins.print = builtins.open = None")),
    Hostile("replaces_sleep", _top("import time\ntime.sleep = None")),
    Hostile("replaces_stdout", _top("import io, sys\nsys.stdout = sys.stderr = io.StringIO()")),
    Hostile("recursion_limit", _top("import sys\nsys.setrecursionlimit(60)"), (WRONG,)),
    Hostile("signal_handlers", _top("import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nsignal.alarm(0)")),
    Hostile("warnings_are_errors", _top("import warnings\nwarnings.simplefilter('error')")),
    Hostile("disables_logging", _top("import logging\nlogging.disable()\nlogging.raiseExceptions = False")),
    Hostile("traces", _top("import sys\nsys.settrace(lambda *_: None)")),
    Hostile("atexit", _top("import atexit\natexit.register(lambda: print('BOUM'))")),
    Hostile("main_block", GOOD + "\n\nif __name__ == '__main__':\n    raise SystemExit(3)\n"),
    Hostile("with_tests_inside", GOOD + "\n\ndef test_me():\n    assert False\n"),
]
# Ce qu'une seule session de pytest doit traverser, un kata par fichier.
CONTAINED = [
    *UNREADABLE,
    *READABLE,
    *NAMES,
    *IMPORTS,
    *EXITS,
    *ENDLESS_LOOPS,
    *WAITS,
    *THREADS,
    *OUTPUT,
    *ERRORS,
    *PROCESS,
]
