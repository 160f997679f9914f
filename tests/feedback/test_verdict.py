"""Le verdict : trois issues, douze lignes au plus, ce qui était attendu et ce qui a été vu."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atelier.exercise.kata import KataSource
from atelier.feedback.verdict import Outcome, Verdict, explain, judge
from atelier.machine.errors import EnvironmentProblem
from atelier.sandbox.mistakes import Interruption, StudentMistake

RULE = "Deux pannes n'empêchent pas d'aboutir"
LONGEST_LINE = 120


@pytest.fixture
def source(tmp_path: Path) -> KataSource:
    """Un fichier de deux lignes : la première lève ce que l'on veut, la seconde rend quelque chose."""
    file = tmp_path / "prefect_retries.py"
    file.write_text("def fail(error):\n    raise error\n", encoding="utf-8")
    return KataSource("01_retries", "prefect_retries", file)


def _raised(error: BaseException, source: KataSource | None = None) -> BaseException:
    """L'exception, avec sa trace ; levée dans le fichier de l'étudiant s'il est donné."""
    names: dict[str, object] = {}
    path, code = ("<ailleurs>", "def fail(error):\n    raise error\n")
    exec(compile(code, str(source.path if source else path), "exec"), names)
    try:
        names["fail"](error)  # type: ignore[operator]
    except BaseException as caught:
        return caught
    raise AssertionError


def _judge(error: BaseException, source: KataSource, **details: object) -> Verdict:
    return judge(error, source=source, rule=RULE, todo=2, **details)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NotImplementedError("TODO 1"), Outcome.TODO),
        (NotImplementedError("plus tard"), Outcome.WRONG),
        (NotImplementedError("TODO 1 et 2"), Outcome.WRONG),
        (AssertionError(explain(expected=4, got=1)), Outcome.WRONG),
        (StudentMistake("ceci", "cela"), Outcome.WRONG),
        (SystemExit(0), Outcome.WRONG),
        (Interruption(), Outcome.WRONG),
        (ConnectionError("refusé"), Outcome.WRONG),
        (EnvironmentProblem("le serveur est mort", "make up"), Outcome.ENVIRONMENT),
        (ModuleNotFoundError("No module named 'pandsa'", name="pandsa"), Outcome.WRONG),
    ],
)
def test_outcomes_are_told_apart(error: BaseException, outcome: Outcome, source: KataSource) -> None:
    """Un TODO qui reste, un comportement faux et une panne de la machine ne se confondent pas."""
    assert outcome is _judge(_raised(error), source).outcome


def test_assertion_gives_its_two_halves(source: KataSource) -> None:
    """Le message d'une assertion de kata devient « attendu » et « obtenu », sans le détail de pytest."""
    error = AssertionError(explain(expected="4 requêtes", got="1 requête") + "\n  assert 1 == 4\n  +  where 1 = f()")

    lines = _judge(_raised(error), source).render().splitlines()

    assert [f"à corriger · TODO 2 · {RULE}", "  attendu : 4 requêtes", "  obtenu  : 1 requête"] == lines[:3]


def test_remaining_todo_wins_over_that_of_the_test(source: KataSource) -> None:
    """Le TODO que lève le fichier passe avant celui que vise le test, même caché derrière une autre erreur."""
    error = RuntimeError("la task a échoué")
    error.__cause__ = _raised(NotImplementedError("TODO 1"), source)

    verdict = _judge(_raised(error), source)

    assert (1, f"{source.path}:2") == (verdict.todo, verdict.where)


def test_error_is_placed_in_the_file_of_the_student(source: KataSource) -> None:
    """La ligne montrée est celle du fichier de l'étudiant, pas celle de la bibliothèque."""
    assert f"{source.path}:2" == _judge(_raised(ValueError("non"), source), source).where


def test_error_of_the_run_is_placed_when_the_file_raises_it(source: KataSource) -> None:
    """Un flow qui échoue par une faute du fichier montre cette ligne ; par la panne d'un serveur, celle du TODO."""
    assertion = _raised(AssertionError(explain(expected="« Completed »", got="« Failed »")))
    own, other = _raised(ValueError("non"), source), _raised(ConnectionError("refusé"))

    assert f"{source.path}:2" == _judge(assertion, source, run_error=own).where
    assert f"{source.path}:2" != _judge(assertion, source, run_error=other).where


def test_first_of_several_failures_is_explained(source: KataSource) -> None:
    """Hypothesis peut trouver plusieurs échecs : le premier suffit."""
    first = _raised(AssertionError(explain(expected="vrai", got="faux")))
    group = ExceptionGroup("deux échecs", [ExceptionGroup("un", [first]), ValueError("autre")])  # type: ignore[list-item]

    assert ("vrai", "faux") == ((verdict := _judge(_raised(group), source)).expected, verdict.got)


def test_smallest_example_is_shown(source: KataSource) -> None:
    """L'exemple réduit par Hypothesis apparaît, sans les fixtures."""
    error = AssertionError(explain(expected="vrai", got="faux"))
    error.add_note("Falsifying example: test_it(\n    kata=<module>,\n    failures=[503],\n    last='ok',\n)")

    assert "failures=[503], last='ok'" == _judge(_raised(error), source).example


def test_last_prints_are_shown(source: KataSource) -> None:
    """On voit la fin de ce que le code a affiché, sans les lignes vides."""
    verdict = _judge(_raised(ValueError("non")), source, printed="un\n\ndeux\ntrois\nquatre\n")

    assert ["  affiché : deux", "            trois", "            quatre"] == verdict.render().splitlines()[-3:]


def test_outage_names_no_todo(source: KataSource) -> None:
    """Une panne dit ce qui ne va pas et la commande qui répare : ni TODO, ni fichier d'étudiant."""
    rendered = _judge(EnvironmentProblem("le serveur est mort", "make up"), source).render()

    assert [f"environnement en panne · {RULE}", "  panne   : le serveur est mort", "  réparer : make up"] == (
        rendered.splitlines()
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=400),
    times=st.sampled_from([1, 1000]),
    kind=st.sampled_from([ValueError, AssertionError, SystemExit, KeyError, StudentMistake, EnvironmentProblem]),
    printed=st.text(max_size=200),
)
def test_verdict_is_short_whatever_the_error(
    source: KataSource, text: str, times: int, kind: type[BaseException], printed: str
) -> None:
    """Onze lignes imprimables au plus, pas trop larges, quels que soient le message et ce qui a été affiché."""
    text = text * times
    error = kind(text, text) if kind in (StudentMistake, EnvironmentProblem) else kind(text)  # type: ignore[call-arg]
    lines = _judge(_raised(error), source, printed=printed * times).render().split("\n")

    assert 1 <= len(lines) <= 11
    assert all(line.isprintable() and len(line) <= LONGEST_LINE for line in lines[1:])


def test_long_text_is_cut(source: KataSource) -> None:
    """Un attendu ou un obtenu interminable s'arrête à la troisième ligne."""
    error = AssertionError(explain(expected="mot " * 500, got="x" * 5000))

    lines = _judge(_raised(error), source).render().splitlines()

    assert (["attendu", "obtenu"], 8) == ([line[2:9].strip() for line in lines[1::3]][:2], len(lines))
    assert lines[3].endswith(" …")
