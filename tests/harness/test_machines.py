"""Les pannes de la machine, face aux katas : jamais « à corriger », et toujours de quoi réparer.

Une machine par ligne, un kata par outil : Prefect, Dagster, MLflow.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.helpers import toy as toys
from tests.helpers.katas import ROOT, PytestRun, Workshop, play, wait_until
from tests.helpers.toy import Toy, toy

__all__ = ["toy"]
# Un test de chacun, qui fait travailler l'outil : il est vert sur la solution.
TESTS = {
    "01_retries": "test_three_retries_then_the_task_fails",
    "08_assets": "test_arrows_follow_the_data",
    "09_tracking": "test_each_candidate_has_its_own_run",
}
BLAMED = "à corriger"
COPY = "est une copie de katas/03_cache"


@dataclass(frozen=True)
class Machine:
    """Une machine en panne : ce qui la distingue d'une saine, et ce qu'on en lit, la réparation comprise.

    `shell` est ce que l'étudiant a tapé avant ; `files`, ce qu'il a écrit, `{kata}` étant le dossier du kata.
    """

    name: str
    told: tuple[str, ...]
    env: Mapping[str, str] | None = None
    shell: str = ""
    options: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def _hiding(where: str, module: str) -> Machine:
    file = f"{where}{module}.py"
    return Machine(f"{module} hidden in {where}", (f"{file} cache le module « {module} »", "renommez"), files=(file,))


IN_TROUBLE = [
    Machine("optimized", ("saute les `assert`", "unset PYTHONOPTIMIZE"), env={"PYTHONOPTIMIZE": "1"}),
    Machine("option O", ("saute les `assert`", "relancez sans -O"), options=("-O",)),
    Machine("little memory", ("la mémoire est limitée à 1,0 Go", "ulimit -v unlimited"), shell="ulimit -v 1000000"),
    *(_hiding("katas/{kata}/", name) for name in ("prefect", "pandas", "random", "mlflow", "dagster")),
    *(_hiding("./", name) for name in ("prefect", "pandas", "mlflow", "dagster")),
]
PROXIES = {
    "socks5": {"ALL_PROXY": "socks5://127.0.0.1:1"},
    "socks": {"all_proxy": "socks://127.0.0.1:1", "http_proxy": "socks://127.0.0.1:1"},
    "IPv6": {"no_proxy": "[::1],::1/128,::1", "HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "127.0.0.1:1"},
}
PARALLEL = ["-n 2", "-p xdist -n 2", "-p xdist -n auto --dist loadfile"]
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows n'a ni Ctrl-Z, ni ulimit")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Une copie de l'atelier, avec ces katas, où l'on peut tout abîmer."""
    workshop = Workshop(tmp_path_factory.mktemp("machines"))
    for folder in ("data", *(f"{part}/{kata}" for part in ("katas", "solutions") for kata in (*TESTS, "03_cache"))):
        shutil.copytree(ROOT / folder, workshop.root / folder, dirs_exist_ok=True)
    return workshop


@needs_signals
@pytest.mark.parametrize("kata", TESTS)
@pytest.mark.parametrize("machine", IN_TROUBLE, ids=lambda machine: machine.name)
def test_machine_in_trouble_is_told_at_once(workshop: Workshop, machine: Machine, kata: str) -> None:
    """Une seule phrase, avant le premier test : la panne, la réparation, et rien contre l'étudiant."""
    files = [workshop.root / file.format(kata=kata) for file in machine.files]
    for file in files:
        file.write_text("# un essai\n", encoding="utf-8")
    try:
        run = _shell(workshop, machine, f"katas/{kata}", "--solutions")
    finally:
        for file in files:
            file.unlink()

    told = [part.format(kata=kata).removeprefix("./") for part in machine.told]
    assert (4, 1) == (run.code, len(run.output.strip().splitlines())), run.output
    assert [] == [part for part in ("environnement en panne", "Pour réparer", *told) if part not in run.output]


def test_notebook_without_asserts_is_told() -> None:
    """Un notebook dont le noyau saute les `assert` s'arrête à sa première cellule, avec la même phrase."""
    code = "from atelier.workshop import connect_mlflow; connect_mlflow('essai')"
    run = subprocess.run([sys.executable, "-O", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (1, True) == (run.returncode, "Python saute les `assert`" in run.stderr), run.stderr
    assert "Pour réparer : unset PYTHONOPTIMIZE" in run.stderr


@pytest.mark.parametrize("kata", TESTS)
@pytest.mark.parametrize("proxy", PROXIES)
def test_proxies_change_nothing(kata: str, proxy: str, own_server: Mapping[str, str]) -> None:
    """L'atelier ne parle qu'à cette machine : quel que soit le proxy, le kata marche."""
    run = play(f"katas/{kata}/{_module(kata)}::{TESTS[kata]}", "--solutions", env=PROXIES[proxy])

    assert (0, True) == (run.code, "1 passed" in run.output), run.output


@pytest.mark.parametrize("options", PARALLEL)
def test_options_of_other_projects_change_nothing(toy: Toy, options: str) -> None:
    """`PYTEST_ADDOPTS` demande plusieurs processus : un kata n'en prend qu'un, et l'avancement s'affiche."""
    run = toy.pytest(env={"PYTEST_ADDOPTS": options})

    assert (1, True, False) == (run.code, "votre parcours" in run.output, "workers" in run.output), run.output


@pytest.mark.parametrize("copy", ["katas/03_cache_copie", "katas/03_cache (copie)", "mon_cache"])
def test_copy_of_a_kata_is_told(workshop: Workshop, copy: str) -> None:
    """Une phrase renvoie à l'original."""
    shutil.copytree(workshop.root / "katas/03_cache", workshop.root / copy)
    run = workshop.pytest(copy)
    shutil.rmtree(workshop.root / copy)

    assert (4, True) == (run.code, f"{copy} {COPY}" in run.output), run.output
    assert "pytest katas/03_cache\n" in run.output


def test_copies_do_not_disturb_the_others(toy: Toy) -> None:
    """Jouer tous les katas, c'est laisser de côté les copies que l'on en garde, et ne pas les compter."""
    for copy in (f"{toys.FOLDER}_copie", f"{toys.FOLDER} (copie)", "mon_kata"):
        shutil.copytree(toy.file.parent, toy.file.parents[1] / copy)
    run = toy.pytest()

    assert (1, 3, False) == (run.code, len(run.verdicts()), "copie" in run.output), run.output


@needs_signals
@pytest.mark.parametrize("kata", TESTS)
def test_full_disk_is_told_at_once(workshop: Workshop, kata: str, tmp_path: Path) -> None:
    """Un vrai disque plein, d'un mégaoctet, là où l'atelier range son état."""
    mount = f"mount -t tmpfs -o size=1m tmpfs '{tmp_path}'"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("ce système ne laisse pas monter de disque")
    disk = Machine("full disk", (), env={"ATELIER_HOME": str(tmp_path)}, shell=mount)

    run = _shell(workshop, disk, f"katas/{kata}", "--solutions", prefix=("unshare", "-rm"))

    assert (4, True) == (run.code, f"le disque de {tmp_path} est plein" in run.output), run.output
    assert "environnement en panne" in run.output
    assert "Pour réparer : libérez de la place" in run.output


NO_SPACE = "    with open('/dev/full', 'w') as file:\n        file.write('x')\n    return 1"
TOO_MUCH = "    from collections import UserString\n    return UserString('x') * (1 << 60)"
ASKED = "    return 'x' * (1 << 60)"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full est un fichier de Linux")
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (NO_SPACE, ("environnement en panne", "le disque est plein", "libérez de la place")),
        (TOO_MUCH, ("environnement en panne", "plus assez de mémoire", "fermez des programmes")),
        (ASKED, (BLAMED, "MemoryError")),
    ],
    ids=["disk", "memory", "memory asked by the student"],
)
def test_shortage_during_a_test(toy: Toy, code: str, told: tuple[str, ...]) -> None:
    """Le système refuse une écriture, ou de la mémoire : sa faute, sauf si le fichier en veut bien trop."""
    toy.write(toys.ONE_DONE.replace("    return 1", code))
    verdict = toy.pytest("-k", "test_one").verdicts()["test_one"]

    assert [] == [part for part in told if part not in verdict], verdict
    assert told[0] == BLAMED or BLAMED not in verdict


DAMAGING = """\
from pathlib import Path

from atelier import churn


def one():
    for file in FILES:
        Path(file).write_text("abîmé")
    return 1
"""


@pytest.fixture
def toy_with_data(toy: Toy) -> Toy:
    """Un kata de poche, et les données de l'atelier."""
    shutil.copytree(ROOT / "data", toy.root / "data")
    return toy


def test_data_given_to_a_kata_is_a_copy(toy_with_data: Toy) -> None:
    """Une réponse écrit dans `churn.DATA` : ni l'original, ni les tests suivants ne le voient."""
    read = "    assert kata.churn.load_customers().shape[0] > 1000\n"
    toy_with_data.tests.write_text(toys.TESTS.replace("    kata.two()\n", read), encoding="utf-8")
    toy_with_data.write(DAMAGING.replace("FILES", "[churn.DATA]") + "\n\ndef two():\n    return 2\n")

    run = toy_with_data.pytest()

    assert (0, False) == (run.code, "Attention" in run.output), run.output
    assert _data(ROOT) == _data(toy_with_data.root)


def test_damaged_data_is_told(toy_with_data: Toy) -> None:
    """L'original a changé : la fin de ce lancement le dit, puis le suivant refuse, avec la commande qui répare."""
    toy_with_data.write(DAMAGING.replace("FILES", "['data/customer_data.csv']"))
    first, second = toy_with_data.pytest("-k", "test_one"), toy_with_data.pytest()

    told = "data/customer_data.csv n'est plus celui de l'atelier. Pour réparer : git checkout data/customer_data.csv"
    assert (True, True) == (f"Attention : {told}" in first.output, f"environnement en panne : {told}" in second.output)
    assert 4 == second.code


WAITING = """\
import os
import time


def one():
    os.write(OUTPUT, b"PRET")
    while not os.path.exists("go"):
        pass
    return 1
"""


@needs_signals
def test_pause_does_not_count(toy: Toy) -> None:
    """Ctrl-Z, puis `fg` après plus que tous les délais : ni le nôtre, ni les derniers recours n'ont couru."""
    reading, writing = os.pipe()
    toy.write(WAITING.replace("OUTPUT", str(writing)))
    limits = ["kata_deadline=3", "timeout=4", "faulthandler_timeout=4"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "test_one"]
    process = subprocess.Popen(
        [*command, *(part for limit in limits for part in ("-o", limit))],
        cwd=toy.root,
        env={**os.environ, "ATELIER_WARM": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=[writing],
        process_group=0,  # comme un shell : le noyau ne suspend pas un groupe dont personne ne s'occupe
    )
    with os.fdopen(reading, "rb") as ready:
        assert b"PRET" == ready.read(4)
    os.close(writing)
    process.send_signal(signal.SIGTSTP)
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=5)  # plus que tous ces délais
    (toy.root / "go").touch()
    process.send_signal(signal.SIGCONT)
    output, _ = process.communicate(timeout=60)

    assert (0, True) == (process.returncode, "1 passed" in output), output


def _shell(workshop: Workshop, machine: Machine, *arguments: str, prefix: tuple[str, ...] = ()) -> PytestRun:
    """Ce que l'étudiant tape dans un terminal de cette machine."""
    command = [sys.executable, *machine.options, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    finished = subprocess.run(
        [*prefix, "sh", "-c", f'{machine.shell or ":"} && exec "$@"', "sh", *command],
        cwd=workshop.root,
        env={**os.environ, "ATELIER_WARM": "0", **(machine.env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return PytestRun(finished.returncode, finished.stdout)


def _module(kata: str) -> str:
    return next((ROOT / "katas" / kata).glob("test_*.py")).name


def _data(root: Path) -> bytes:
    return (root / "data" / "customer_data.csv").read_bytes()
