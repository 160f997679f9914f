"""La commande `pytest katas/NN` : quel fichier elle joue, comment elle finit, ce qu'elle affiche."""

import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tests.helpers import toy as kata
from tests.helpers.katas import PytestRun, Workshop, pytest_katas
from tests.helpers.toy import Toy, toy

__all__ = ["toy"]
START_SECONDS = 30


def test_endless_file_is_waited_for_once(toy: Toy) -> None:
    """Un fichier dont le chargement ne finit pas coûte un délai, pas un par test ; chaque test le dit."""
    toy.write("with open('loads', 'a') as file:\n    file.write('x')\nwhile True:\n    pass\n")

    run = toy.pytest("-o", "kata_deadline=1")

    assert (1, {"test_one", "test_two", "test_two_again"}) == (run.code, set(run.verdicts())), run.output
    assert "pas de réponse après 1 s" in run.output
    assert "x" == (toy.root / "loads").read_text(encoding="utf-8")


def test_endless_code_is_waited_for_less_each_next_time(toy: Toy) -> None:
    """Un test n'a pas fini : les suivants du même fichier, qui passent peut-être par là, ont moins de temps."""
    toy.write("def one():\n    while True:\n        pass\n\n\ntwo = one\n")

    run = toy.pytest("-o", "kata_deadline=1", "--full")

    waited = [re.findall(r"pas de réponse après (\S+) s", text)[0] for text in run.verdicts().values()]
    assert ["1", "0.4", "0.4"] == waited, run.output


def test_code_is_0_when_green_and_1_when_red(toy: Toy) -> None:
    """Le code de retour dit si tout est vert."""
    red = toy.pytest()
    toy.write(kata.DONE)
    green = toy.pytest()

    assert (1, 0) == (red.code, green.code)


@pytest.mark.parametrize("folder", ["missing", "conftest.py"])
def test_missing_implementation_is_a_usage_error(toy: Toy, folder: str) -> None:
    """`--impl` sans dossier : une ligne, et le code 4."""
    run = toy.pytest("--impl", folder)

    assert (4, f"ERROR: --impl : le dossier {folder} n'existe pas.") == (run.code, run.output.strip())


def test_bad_deadline_is_a_usage_error(toy: Toy) -> None:
    """`kata_deadline` est un nombre de secondes."""
    run = toy.pytest("-o", "kata_deadline=jamais")

    assert (4, "ERROR: kata_deadline : un nombre de secondes est attendu.") == (run.code, run.output.strip())


def test_solutions_and_impl_choose_the_module(toy: Toy, tmp_path: Path) -> None:
    """Les mêmes tests jouent le fichier de l'étudiant, la solution, ou celui d'un autre dossier."""
    other = tmp_path / "elsewhere" / kata.FOLDER
    other.mkdir(parents=True)
    (other / "plain_toy.py").write_text(kata.ONE_WRONG, encoding="utf-8")

    runs = [toy.pytest(), toy.pytest("--solutions"), toy.pytest("--impl", "elsewhere")]

    assert [1, 0, 1] == [run.code for run in runs]
    assert ["pas encore fait", "à corriger"] == [runs[i].verdicts()["test_one"].split(" · ")[0].strip() for i in (0, 2)]


def test_file_missing_from_an_implementation_is_said(toy: Toy) -> None:
    """Un `--impl` qui n'a pas ce kata le dit comme un fichier absent."""
    (toy.root / "empty").mkdir()

    assert "ce fichier n'existe pas" in toy.pytest("--impl", "empty").verdicts()["test_one"]


@pytest.mark.parametrize("where", [".", "katas", f"katas/{kata.FOLDER}"])
def test_katas_run_from_any_folder(toy: Toy, where: str) -> None:
    """Depuis la racine ou le dossier du kata, les mêmes tests, et des chemins relatifs à ce dossier."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, "."] if where != "." else command,
        cwd=toy.root / where,
        env={**os.environ, "ATELIER_WARM": "0"},
        capture_output=True,
        text=True,
        check=False,
    )

    shown = Path(os.path.relpath(toy.file, toy.root / where))
    assert (1, True) == (run.returncode, f"  où      : {shown}:3\n" in run.stdout), run.stdout


def test_each_test_gets_a_fresh_module(toy: Toy) -> None:
    """Ce qu'un test change dans le module, le suivant ne le voit pas ; `load_kata` le recharge à volonté."""
    toy.tests.write_text(
        "def test_a(kata):\n    kata.calls.append(1)\n    assert kata.calls == [1]\n\n\n"
        "def test_b(load_kata):\n    load_kata().calls.append(1)\n    assert load_kata().calls == []\n\n\n"
        "def test_c(kata, load_kata):\n    assert kata.__name__ != load_kata().__name__\n",
        encoding="utf-8",
    )
    toy.write("calls = []\n")

    assert 0 == toy.pytest().code


def test_file_is_read_from_disk_every_time(toy: Toy) -> None:
    """Deux enregistrements dans la même seconde : c'est le dernier qui est joué, et que montre `inspect`."""
    toy.tests.write_text(
        "import inspect\n\n\ndef test_a(load_kata, request):\n"
        "    first = load_kata()\n    stamp = request.path.with_name('plain_toy.py')\n"
        "    stamp.write_text('def one():\\n    return 2\\n')\n"
        "    second = load_kata()\n"
        "    assert (first.one(), second.one()) == (1, 2)\n"
        "    assert 'return 2' in inspect.getsource(second.one)\n",
        encoding="utf-8",
    )
    toy.write("def one():\n    return 1\n")

    assert 0 == toy.pytest().code


def test_failures_are_short_and_explained_once(toy: Toy) -> None:
    """Ce qui reste à faire s'explique une fois par TODO ; une erreur, chaque fois qu'elle apprend autre chose."""
    todo = _lengths(toy.pytest())
    toy.write(kata.DONE.replace("return 2", "return 5"))
    same = _lengths(toy.pytest())
    toy.write(kata.DONE.replace("return 2", "calls.append(1)\n    return len(calls) * 5") + "\n\ncalls = []\n")
    different = _lengths(toy.pytest())

    assert [4, 4, 1] == todo
    assert ([4, 1], [4, 4]) == (same, different)


@pytest.mark.parametrize(
    ("mistake", "meant"),
    [
        ("05", "katas/05_toy"),
        ("katas/5", "katas/05_toy"),
        ("toy", "katas/05_toy"),
        ("katas/05_tyo", "katas/05_toy"),
        ("05_toy/test_plain_toy.py", "katas/05_toy"),
        ("katas/99", "katas"),
    ],
)
def test_mistyped_kata_is_a_usage_error_that_names_it(toy: Toy, mistake: str, meant: str) -> None:
    """Un kata mal nommé : une ligne, avec la commande à taper, et le code 4."""
    run = toy.pytest(mistake)

    assert (4, f"ERROR: {mistake} n'existe pas. Essayez : pytest {meant}") == (run.code, run.output.strip())


@pytest.mark.parametrize("name", ["plain_toy.py", "README.md"])
def test_other_file_of_a_kata_is_a_usage_error(toy: Toy, name: str) -> None:
    """Le fichier à écrire n'est pas celui des tests : pytest n'y trouverait rien, sans un mot."""
    run = toy.pytest(f"katas/05_toy/{name}")

    text = f"ERROR: katas/05_toy/{name} n'est pas un fichier de tests. Essayez : pytest katas/05_toy"
    assert (4, text) == (run.code, run.output.strip())


def test_commands_are_right_where_they_are_read(toy: Toy) -> None:
    """Lancé dans le dossier du kata, pytest y propose des commandes qui y marchent."""
    run = pytest_katas(root=toy.file.parent, env={"ATELIER_WARM": "0"})

    assert "(bloqué ? pytest . --indice)" in run.output


def _lengths(run: PytestRun) -> list[int]:
    return [len(verdict.strip().splitlines()) for verdict in run.verdicts().values()]


@pytest.mark.parametrize(("options", "env"), [(["-vv"], {}), ([], {"CI": "true"})], ids=["-vv", "CI"])
def test_big_difference_is_told_at_once(toy: Toy, options: list[str], env: Mapping[str, str]) -> None:
    """Comparer deux images prendrait des minutes au diff de pytest, et le délai accuserait l'étudiant."""
    comparison = 'kata.one() == 1, explain(expected="1", got=kata.one())'
    big_one = 'kata.one() == list(range(4000)), explain(expected="les entiers", got="leurs opposés")'
    toy.tests.write_text(kata.TESTS.replace(comparison, big_one), encoding="utf-8")
    toy.write(kata.ONE_DONE.replace("return 1", "return [-n for n in range(4000)]"))

    run = toy.pytest("-k", "test_one", "-o", "kata_deadline=5", *options, env=env)

    assert "leurs opposés" in run.verdicts()["test_one"], run.output
    assert len(run.output) < 5000


@pytest.mark.parametrize("option", ["-v", "--full"])
def test_full_trace_on_demand(toy: Toy, option: str) -> None:
    """`-v` et `--full` ajoutent au verdict la trace ordinaire de pytest."""
    toy.write(kata.ONE_WRONG)
    output = toy.pytest(option, "-k", "test_one").output

    assert "assert 3 == 1" in output
    assert "à corriger · TODO 1 · `one` rend 1" in output


def test_short_run_has_no_trace(toy: Toy) -> None:
    """Sans option, rien de ce que pytest dirait d'une assertion."""
    toy.write(kata.ONE_WRONG)

    assert "assert 3 == 1" not in toy.pytest("-k", "test_one").output


def test_everything_is_written_through_a_pipe(toy: Toy, tmp_path: Path) -> None:
    """La fin abrupte du processus ne perd rien : ni l'affichage, ni le rapport JUnit, ni le cache."""
    toy.tests.write_text(
        "import pytest\n\n\n@pytest.mark.parametrize('n', range(150))\ndef test_many(kata, n):\n"
        "    assert kata.one() == n, f'attendu : {n}\\nobtenu : {\"x\" * 300}'\n",
        encoding="utf-8",
    )
    toy.write("def one():\n    return -1\n")

    run = toy.pytest("--junitxml=report.xml")

    cases = list(ElementTree.parse(tmp_path / "report.xml").iter("testcase"))
    assert (1, 150, 150) == (run.code, len(cases), len(run.verdicts()))
    assert re.search(r"150 failed in [\d.]+s =+\n\Z", run.output)
    assert (tmp_path / "cache" / "v" / "atelier" / "scores").stat().st_size > 2000


def test_report_keeps_the_verdict(toy: Toy, tmp_path: Path) -> None:
    """Le rapport JUnit, que lisent les éditeurs et les enseignants, porte le verdict."""
    toy.write("raise ValueError('non')\n")
    toy.pytest("--junitxml=report.xml", "-k", "test_one")

    failures = [case.text for case in ElementTree.parse(tmp_path / "report.xml").iter("failure")]
    assert ["à corriger · le fichier se charge"] == [(text or "").splitlines()[0] for text in failures]


SUBMITTED = """\
from prefect import flow, task

@task
def endless():
    print("PRÊT", flush=True)
    while True:
        pass

@flow
def one():
    return endless.submit().result()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows n'envoie pas de SIGINT à un seul processus")
@pytest.mark.parametrize(
    "code",
    [
        "print('PRÊT', flush=True)\nwhile True:\n    pass\n",
        "import threading\nprint('PRÊT', flush=True)\nthreading.Event().wait()\n",
        SUBMITTED,
    ],
    ids=["loop", "wait", "submitted"],
)
def test_ctrl_c_stops_everything(toy: Toy, code: str, own_server: Mapping[str, str]) -> None:
    """Ctrl-C, même pendant une boucle sans fin de l'étudiant : le code 2, et plus aucun processus."""
    toy.tests.write_text("def test_one(kata, run):\n    run(kata.one)\n", encoding="utf-8")
    toy.write(code)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider"],
        cwd=toy.root,
        env={**os.environ, **own_server},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    before = _read_until(process, "PRÊT")
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=START_SECONDS)

    assert (2, True) == (process.returncode, "KeyboardInterrupt" in output), before + output
    assert [] == [child for child in children if child.is_running()]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows n'envoie pas de SIGINT à un seul processus")
def test_ctrl_c_wins_over_code_that_swallows_it(toy: Toy) -> None:
    """Un `except KeyboardInterrupt` de l'étudiant ne retient pas celui qui veut partir."""
    toy.write(
        "import threading\nprint('PRÊT', flush=True)\n"
        "try:\n    threading.Event().wait()\nexcept KeyboardInterrupt:\n    pass\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider"],
        cwd=toy.root,
        env={**os.environ, "ATELIER_WARM": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    _read_until(process, "PRÊT")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=START_SECONDS)

    assert 2 == process.returncode


def test_forgotten_thread_does_not_hold_the_command(toy: Toy) -> None:
    """Un thread non démon oublié ne retient pas pytest, même lancé autrement que par sa commande."""
    toy.write("import threading\nthreading.Thread(target=threading.Event().wait).start()\n" + kata.DONE)
    launcher = "import sys, pytest; sys.exit(pytest.main(['-p', 'no:cacheprovider', '-k', 'test_one']))"

    run = subprocess.run(
        [sys.executable, "-c", launcher],
        cwd=toy.root,
        env={**os.environ, "ATELIER_WARM": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )

    assert (1, True) == (run.returncode, "tourne encore" in run.stdout), run.stdout


def test_same_test_names_in_two_katas_are_both_run(tmp_path: Path) -> None:
    """Deux katas peuvent avoir des tests de même nom : chacun joue son module."""
    workshop = Workshop(tmp_path)
    for number in (1, 2):
        test = f"def test_it(kata):\n    assert kata.number == {number}\n"
        workshop.write_kata(f"0{number}_kata", f"plain_{number}", test=test, code=f"number = {number}\n")

    assert (0, True) == ((run := workshop.pytest()).code, "2 passed" in run.output)


def _read_until(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdout
    output = ""
    while word not in output:
        line = process.stdout.readline()
        assert line, output
        output += line
    return output
