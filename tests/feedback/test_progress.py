"""L'avancement, le prochain pas et les indices : ce qui se retient d'un lancement à l'autre."""

import json
import re
from pathlib import Path

import pytest

from tests.helpers import toy as kata
from tests.helpers.katas import PytestRun
from tests.helpers.toy import Toy, toy

__all__ = ["toy"]
CACHE = Path("cache", "v", "atelier")


def _score(run: PytestRun, folder: str = kata.FOLDER) -> str:
    """Ce qui suit la barre d'avancement : « 1/3 », « 3/3 ✓ », ou rien."""
    line = next(line for line in run.output.splitlines() if line.strip().startswith(folder))
    return re.sub(r"[█·←]+", "", line.removeprefix(f"  {folder}")).strip().replace("  ", " ")


def _next_step(run: PytestRun) -> str:
    return next(line for line in run.output.splitlines() if line.startswith("Prochain pas")).partition(" : ")[2]


def _hint(run: PytestRun) -> str:
    text = re.split(r"^=+ indice =+\n", run.output, flags=re.MULTILINE)[1]
    return re.split(r"^[!=]", text, flags=re.MULTILINE)[0].strip()


def test_progress_shows_the_whole_course(toy: Toy) -> None:
    """Une ligne par kata du parcours, dans l'ordre, même ceux qui n'ont jamais été joués."""
    toy.write_kata("06_other", "plain_other", test="", code="")

    run = toy.pytest(f"katas/{kata.FOLDER}")

    assert re.search(rf"  {kata.FOLDER} +·+  0/3  ←\n  06_other  ·+\n", run.output), run.output


def test_progress_follows_the_student(toy: Toy) -> None:
    """Un test qui verdit s'ajoute, et le prochain pas avance d'un TODO."""
    seen = []
    for code in (kata.STUB, kata.ONE_DONE, kata.DONE):
        toy.write(code)
        run = toy.pytest()
        seen.append((_score(run), _next_step(run).partition(",")[0]))

    assert [("0/3", "TODO 1"), ("1/3", "TODO 2"), ("3/3 ✓", "le parcours est fini")] == seen


def test_next_step_says_where_and_how_to_get_a_hint(toy: Toy) -> None:
    """Le prochain pas donne le fichier, la ligne et la commande des indices."""
    step = _next_step(toy.pytest())

    file = Path("katas", kata.FOLDER, "plain_toy.py")
    assert f"TODO 1, {file}:3  (bloqué ? pytest katas/{kata.FOLDER} --indice)" == step


def test_next_step_after_a_finished_kata_is_the_next_kata(toy: Toy) -> None:
    """Un kata fini renvoie au README du premier qui ne l'est pas."""
    toy.write_kata("06_other", "plain_other", test="", code="")
    toy.write(kata.DONE)

    assert "lisez katas/06_other/README.md, puis pytest katas/06_other" == _next_step(toy.pytest())


@pytest.mark.parametrize("selection", [["-k", "one"], [f"katas/{kata.FOLDER}/test_plain_toy.py::test_one"], ["-x"]])
def test_partial_run_completes_what_was_known(toy: Toy, selection: list[str]) -> None:
    """Jouer une partie des tests ne fait ni oublier ni inventer les autres."""
    toy.write(kata.DONE.replace("return 1", "return 3"))
    first = toy.pytest(*selection)
    whole = toy.pytest()
    again = toy.pytest(*selection)

    assert ["0/3", "2/3", "2/3"] == [_score(first), _score(whole), _score(again)]


def test_renamed_test_leaves_no_ghost(toy: Toy) -> None:
    """Le total suit le fichier de tests, même si l'on n'en rejoue qu'un."""
    toy.write(kata.DONE)
    toy.pytest()
    toy.tests.write_text(kata.TESTS.replace("test_two_again", "test_two_for_ever"), encoding="utf-8")

    assert "2/3" == _score(toy.pytest("-k", "one"))


def test_skipped_bonus_does_not_prevent_the_end(toy: Toy) -> None:
    """Un test sauté, faute d'un paquet facultatif, ne laisse pas le kata inachevé."""
    bonus = 'def test_bonus(kata):\n    """Le bonus."""\n    pytest.skip("sans Dask")\n'
    toy.tests.write_text(f"{kata.TESTS}\n\n{bonus}", encoding="utf-8")
    toy.write(kata.DONE)

    assert "3/3 ✓" == _score(toy.pytest())


@pytest.mark.parametrize("marker", ["bonus", "stack", "slow"])
def test_optional_test_does_not_count(toy: Toy, marker: str) -> None:
    """Un test hors de la boucle ne se joue que sur demande ; rouge, il n'empêche pas de finir le kata."""
    optional = f'@pytest.mark.{marker}\ndef test_optional(kata):\n    """Le défi."""\n    assert False\n'
    toy.tests.write_text(f"{kata.TESTS}\n\n{optional}", encoding="utf-8")
    toy.write(kata.DONE)
    runs = [toy.pytest(), toy.pytest("-m", marker)]

    assert ([0, 1], ["3/3 ✓", "3/3 ✓"]) == ([run.code for run in runs], [_score(run) for run in runs])


@pytest.mark.parametrize("option", [["--solutions"], ["--impl", "solutions"]])
def test_other_implementations_leave_progress_alone(toy: Toy, option: list[str]) -> None:
    """Jouer une solution ne change ni ne montre l'avancement de l'étudiant."""
    toy.pytest()
    run = toy.pytest(*option)

    assert (0, False) == (run.code, "votre parcours" in run.output)
    assert "0/3" == _score(toy.pytest("-k", "one"))


def test_hints_go_from_nudge_to_solution(toy: Toy) -> None:
    """Chaque `--indice` donne l'indice suivant, puis le nom de la solution, et s'y tient."""
    hints = [_hint(toy.pytest("--indice")) for _ in range(4)]

    file = Path("solutions", kata.FOLDER, "plain_toy.py")
    solution = f"Vous avez lu tous les indices de ce TODO. La solution : {file}"
    assert [
        "TODO 1, indice 1 sur 2 :\nPensez à un nombre.",
        "TODO 1, indice 2 sur 2 :\nLe premier des entiers.",
        solution,
        solution,
    ] == hints


def test_hint_is_about_the_first_red_test(toy: Toy) -> None:
    """L'indice suit l'étudiant : le TODO 1 fait, c'est le TODO 2 que l'on explique."""
    toy.write(kata.ONE_DONE)

    assert _hint(toy.pytest("--indice")).startswith("Le TODO 2 n'a pas d'indice")


def test_hint_when_all_is_green(toy: Toy) -> None:
    """Sans test rouge, pas d'indice."""
    toy.write(kata.DONE)

    assert "Tout est vert : pas besoin d'indice." == _hint(toy.pytest("--indice"))


def test_hint_for_another_implementation_is_not_spent(toy: Toy) -> None:
    """Un enseignant qui essaie `--impl` ne consomme pas les indices de l'étudiant."""
    toy.pytest("--indice", "--impl", "katas")

    assert "indice 1 sur 2" in _hint(toy.pytest("--indice"))


def test_hint_run_keeps_progress(toy: Toy) -> None:
    """`--indice` s'arrête au premier test rouge, sans rien oublier des autres."""
    toy.write(kata.DONE.replace("return 1", "return 3"))
    toy.pytest()
    toy.pytest("--indice")

    assert "2/3" == _score(toy.pytest("-k", "one"))


@pytest.mark.parametrize("content", ["{", "[]", '{"05_toy": {"1": "deux", "test_one": [], "2": -4}, "06": 3}'])
def test_damaged_cache_counts_as_empty(toy: Toy, content: str) -> None:
    """Un cache illisible ou d'une autre forme ne fait rien échouer."""
    (toy.root / CACHE).mkdir(parents=True)
    for name in ("scores", "indices"):
        (toy.root / CACHE / name).write_text(content, encoding="utf-8")

    assert ("0/3", True) == (_score(toy.pytest()), "indice 1 sur 2" in _hint(toy.pytest("--indice")))


def test_no_cache_no_memory(toy: Toy) -> None:
    """Avec `-p no:cacheprovider`, l'avancement se limite à ce lancement et les indices n'avancent pas."""
    hints = [_hint(toy.pytest("--indice", cache=False)) for _ in range(2)]

    assert "indice 1 sur 2" in hints[1]
    assert "0/3" == _score(toy.pytest(cache=False))


def test_progress_is_plain_data(toy: Toy) -> None:
    """L'avancement se lit : un fichier JSON, un booléen par test."""
    toy.write(kata.ONE_DONE)
    toy.pytest()

    scores = json.loads((toy.root / CACHE / "scores").read_text(encoding="utf-8"))

    assert {kata.FOLDER: {"test_one": True, "test_two": False, "test_two_again": False}} == scores


def test_green_that_turns_red_is_told_once(toy: Toy) -> None:
    """Un TODO vert au lancement d'avant, et rouge maintenant : c'est le dernier changement ; ensuite, on l'a dit."""
    told = []
    for code in (kata.ONE_DONE, kata.ONE_WRONG, kata.ONE_WRONG, kata.DONE, kata.DONE.replace("return 2", "return 5")):
        toy.write(code)
        told.append(
            re.findall(r"^TODO (\d) était vert : votre dernier changement l'a cassé\.$", toy.pytest().output, re.M)
        )

    assert [[], ["1"], [], [], ["2"]] == told
