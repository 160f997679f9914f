"""Ce que l'étudiant lit : le verdict de chaque test rouge, son avancement, le prochain pas, les indices."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from atelier.exercise.kata import KATAS, KataSource, kata_folders
from atelier.feedback.comparison import compare
from atelier.feedback.course import Score, hints, render_progress
from atelier.feedback.memory import Memory
from atelier.feedback.pytest_internals import TerminalRepr, TerminalWriter, silence_short_summary, skip_tracebacks
from atelier.feedback.verdict import Outcome, Verdict, chain, judge
from atelier.machine.errors import EnvironmentProblem
from atelier.machine.paths import shown, typed
from atelier.sandbox.loader import explain_missing_package
from atelier.sandbox.mistakes import StudentMistake

SOURCE = pytest.StashKey[KataSource]()
OPTIONAL = ("bonus", "stack", "slow")
SCORES = "atelier/scores"
HINTS = "atelier/indices"


@dataclass(frozen=True)
class _Failure:
    nodeid: str
    source: KataSource
    verdict: Verdict


class VerdictRepr(TerminalRepr):
    """Un verdict à la place de la trace de pytest, dans le terminal comme dans l'éditeur.

    `told_on` est le terminal qui l'a déjà montré pour un autre test, et où seul le titre se répète. L'éditeur et le
    rapport JUnit montrent chaque test à part : eux ont toujours le verdict entier.
    """

    def __init__(self, text: str, *, told_on: TerminalWriter | None = None) -> None:
        self._lines = text.splitlines()
        self._told_on = told_on

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def toterminal(self, tw: TerminalWriter) -> None:
        """Écrit le verdict, le titre en couleur."""
        wrong = self._lines[0].startswith(Outcome.WRONG.value)
        tw.line(self._lines[0], bold=True, red=wrong, yellow=not wrong)
        for line in self._lines[1:] if tw is not self._told_on else ():
            tw.line(line)


class Reporter:
    """Les hooks du compte rendu. `exit_status` dit comment pytest a fini de jouer des katas.

    `outage_of` dit si un serveur dont ce test a besoin ne répond plus : le verdict est alors celui de la machine.
    """

    def __init__(self, config: pytest.Config, outage_of: Callable[[pytest.Item], EnvironmentProblem | None]) -> None:
        self._config = config
        self._outage_of = outage_of
        self._full = config.getoption("full") or config.option.verbose > 0
        self._failures: list[_Failure] = []
        self._explained: set[tuple[str, object, object]] = set()
        self._results: dict[str, dict[str, bool]] = {}
        self._pages: dict[str, str] = {}
        self._run_errors: dict[str, BaseException | None] = {}
        self._logged: dict[str, BaseException] = {}
        self._memory = Memory(config)
        self._tests: dict[str, dict[str, int | None]] = {}
        self._before: dict[str, dict[str, int]] = {}
        self._sources: dict[KataSource, None] = {}
        self._is_cut_off = False
        self.exit_status: int | None = None

    def saw_run(
        self, nodeid: str, page: str | None, error: BaseException | None, logged: BaseException | None = None
    ) -> None:
        """Retient le dernier run d'un test : sa page, pour y renvoyer, et l'erreur qui l'a fait échouer.

        De tous ses runs, retient aussi la dernière erreur que l'outil a seulement journalisée.
        """
        self._run_errors[nodeid] = error
        if logged:
            self._logged[nodeid] = logged
        if page:
            self._pages[nodeid] = page

    def reread(self, nodeid: str, made_by: str) -> None:
        """Ce test relit le run d'un autre : il renvoie à la même page."""
        for seen in (self._run_errors, self._logged, self._pages):
            if made_by in seen:
                seen[nodeid] = seen[made_by]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note les tests de chaque kata ; s'il n'y a qu'eux, ni résumé ni trace : les verdicts en tiennent lieu."""
        for item in session.items:
            if source := item.stash.get(SOURCE, None):
                self._sources[source] = None
                if source.folder not in self._tests:
                    self._tests[source.folder] = _all_tests(item)
        if not self._full and all(SOURCE in item.stash for item in session.items):
            silence_short_summary(self._config)
            skip_tracebacks(self._config)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Iterator[None]:
        """Dit en deux lignes qu'un paquet manque aux tests d'un kata, au lieu de la trace de leur import."""
        report: pytest.CollectReport = yield
        if report.failed and not self._full and (text := _missing_package(report)):
            report.longrepr = VerdictRepr(text)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Remplace la trace d'un test de kata rouge par son verdict."""
        report: pytest.TestReport = yield
        source = item.stash.get(SOURCE, None)
        if source is None:
            return report
        if report.failed and call.excinfo:
            self._explain(item, call.excinfo.value, report, source)
        if not self._full:
            report.sections = []  # ce qu'a affiché le code : le verdict en a gardé la fin
        if report.when == "call" or report.failed:
            results = self._results.setdefault(source.folder, {})
            if not self._is_outage(item):
                results[item.name] = report.passed
        if report.skipped:
            self._tests[source.folder].pop(item.name, None)  # un bonus sauté n'empêche pas de finir le kata
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Garde le score de l'étudiant dans le cache de pytest ; au retour, tout a été écrit et affiché."""
        if self._is_student_run():
            self._before = self._memory.get(SCORES)
            self._memory.set(SCORES, self._updated_scores())
        yield
        if self._results:
            self.exit_status = int(session.exitstatus)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Écrit l'avancement, le prochain pas et l'adresse du run à regarder."""
        if not self._results:
            return
        if self._config.getoption("indice"):
            self._write_hint(terminalreporter)
        elif self._is_student_run():
            terminalreporter.section("votre parcours")
            for line in render_progress(self._scores(), set(self._results)):
                terminalreporter.line(line)
            for line in self._broken():
                terminalreporter.line(line, bold=True)
            terminalreporter.line(f"Prochain pas : {self._next_step()}", bold=True)
            if done := self._just_finished():
                terminalreporter.line(f"Et la solution ? pytest {_typed(done)} --compare")
        self._write_link(terminalreporter)
        if self._config.getoption("compare"):
            self._write_comparisons(terminalreporter)

    def _explain(self, item: pytest.Item, error: BaseException, report: pytest.TestReport, source: KataSource) -> None:
        outage = self._outage_of(item)
        self._is_cut_off = self._is_cut_off or outage is not None
        verdict = judge(
            outage or error,
            run_error=self._run_errors.get(item.nodeid),
            source=source,
            rule=_rule(item),
            todo=_todo(item),
            printed=report.capstdout,
            logged=self._logged.get(item.nodeid),
        )
        self._failures.append(_Failure(item.nodeid, source, verdict))
        if verdict.outcome is not Outcome.ENVIRONMENT:
            # Pour l'étudiant, un fichier qui ne se charge pas est un test rouge, pas une erreur de pytest.
            report.when = "call"
        if self._full:
            report.sections.insert(0, ("verdict", verdict.render()))
            return
        # Ce qui reste à faire s'explique une fois par TODO ; une erreur, chaque fois qu'elle apprend autre chose.
        told = (verdict.expected, verdict.got, verdict.where) if verdict.outcome is Outcome.WRONG else verdict.todo
        key = (source.folder, verdict.outcome, told)
        has_terminal = self._config.pluginmanager.hasplugin("terminalreporter")
        told_on = self._config.get_terminal_writer() if has_terminal and key in self._explained else None
        report.longrepr = VerdictRepr(verdict.render(), told_on=told_on)
        self._explained.add(key)

    def _is_outage(self, item: pytest.Item) -> bool:
        """Dit si ce test a échoué par la faute de la machine : ce que l'on savait de lui reste vrai."""
        last = self._failures[-1] if self._failures else None
        return last is not None and last.nodeid == item.nodeid and last.verdict.outcome is Outcome.ENVIRONMENT

    def _is_student_run(self) -> bool:
        chosen = self._config.getoption("solutions") or self._config.getoption("impl")
        return bool(self._results) and not chosen

    def _updated_scores(self) -> dict[str, dict[str, bool]]:
        scores = self._memory.get(SCORES)
        for folder, results in self._results.items():
            known = scores.get(folder, {})
            # Tous les tests du fichier, et eux seuls : ni oubli après `-k` ou `-x`, ni fantôme après un renommage.
            scores[folder] = {test: results.get(test, bool(known.get(test))) for test in self._tests[folder]}
        return scores

    def _scores(self) -> dict[str, Score]:
        saved = self._memory.get(SCORES)
        return {folder: Score(sum(map(bool, tests.values())), len(tests)) for folder, tests in saved.items()}

    def _broken(self) -> Iterator[str]:
        """Les TODO que le lancement d'avant avait laissés verts."""
        known = dict.fromkeys((failure.source.folder, failure.verdict.todo) for failure in self._failures)
        for folder, todo in known:
            tests = [test for test, aimed in self._tests[folder].items() if aimed == todo]
            red = any(self._results[folder].get(test) is False for test in tests)
            if todo and red and all(self._before.get(folder, {}).get(test) for test in tests):
                yield f"TODO {todo} était vert : votre dernier changement l'a cassé."

    def _just_finished(self) -> str | None:
        """Le kata qui vient d'être joué seul, s'il est fini et pas déjà comparé."""
        if len(self._results) != 1 or self._failures or self._config.getoption("compare"):
            return None
        folder = next(iter(self._results))
        return folder if self._scores().get(folder, Score(0, 0)).done else None

    def _next_step(self) -> str:
        if self._failures:
            failure = self._failures[0]
            if failure.verdict.todo is None:
                return "voir le premier message ci-dessus"
            command = f"pytest {_typed(failure.source.folder)} --indice"
            return f"TODO {failure.verdict.todo}, {failure.verdict.where}  (bloqué ? {command})"
        scores = self._scores()
        remaining = [folder for folder in kata_folders() if not scores.get(folder, Score(0, 0)).done]
        if not remaining:
            return "le parcours est fini, bravo !"
        return f"lisez {typed(KATAS / remaining[0] / 'README.md')}, puis pytest {_typed(remaining[0])}"

    def _write_hint(self, terminal: pytest.TerminalReporter) -> None:
        terminal.section("indice")
        if not self._failures:
            terminal.line("Tout est vert : pas besoin d'indice.")
            return
        failure = self._failures[0]
        if failure.verdict.outcome is Outcome.ENVIRONMENT:
            terminal.line("L'environnement est en panne : réparez-le d'abord, comme le dit le message ci-dessus.")
            return
        folder, todo = failure.source.folder, failure.verdict.todo
        if todo is None:
            terminal.line("Aucun indice pour cette erreur : le message ci-dessus dit où elle est.")
            return
        known = hints(failure.source, todo)
        given = self._memory.get(HINTS).get(folder, {})
        rank = given.get(str(todo), 0)
        if not known:
            terminal.line(f"Le TODO {todo} n'a pas d'indice : relisez ce qu'il demande, dans le README du kata.")
            return
        if rank >= len(known):
            solution = shown(failure.source.solution)
            terminal.line(f"Vous avez lu tous les indices de ce TODO. La solution : {solution}")
            return
        if self._is_student_run():
            self._memory.set(HINTS, self._memory.get(HINTS) | {folder: given | {str(todo): rank + 1}})
        terminal.line(f"TODO {todo}, indice {rank + 1} sur {len(known)} :", bold=True)
        terminal.line(known[rank])

    def _write_comparisons(self, terminal: pytest.TerminalReporter) -> None:
        for source in self._sources:
            terminal.section(f"{source.folder} : votre code et la solution")
            for line in compare(source):
                terminal.line(line, red=line.startswith("-"), green=line.startswith("+"))

    def _write_link(self, terminal: pytest.TerminalReporter) -> None:
        """La page du premier échec, sinon du dernier run ; aucune si un serveur ne répond plus."""
        nodeids = [failure.nodeid for failure in self._failures] + list(reversed(self._pages))
        page = next((self._pages[nodeid] for nodeid in nodeids if nodeid in self._pages), None)
        if page and not self._is_cut_off:
            terminal.line(f"À regarder   : {page}")


def _typed(folder: str) -> str:
    return typed(KATAS / folder)


def _missing_package(report: pytest.CollectReport) -> str | None:
    causes = chain(report.call.excinfo.value)
    missing = next((cause for cause in causes if isinstance(cause, ModuleNotFoundError)), None)
    problem = explain_missing_package(missing) if missing else None
    if not isinstance(problem, EnvironmentProblem):
        return None
    rule = "les tests du kata se chargent"
    return Verdict(Outcome.ENVIRONMENT, rule, expected=str(problem), got=problem.repair).render()


def _all_tests(item: pytest.Item) -> dict[str, int | None]:
    """Les tests du même fichier qui comptent pour finir le kata, même si l'on n'en joue qu'une partie, et leur TODO."""
    module = item.getparent(pytest.Module)
    tests = [test for test in module.collect() if isinstance(test, pytest.Item)] if module else [item]
    counted = [test for test in tests if not any(map(test.get_closest_marker, OPTIONAL))]
    return {test.name: _todo(test) for test in counted}


def _todo(item: pytest.Item) -> int | None:
    marker = item.get_closest_marker("todo")
    return marker.args[0] if marker else None


def last_words(mistake: StudentMistake) -> str:
    """Le verdict d'un code qui avale toutes les interruptions : pytest doit s'arrêter avec lui."""
    where = f"{shown(mistake.path)}:{mistake.line}" if mistake.path else ""
    return Verdict(
        Outcome.WRONG,
        "le code rend la main quand on l'interrompt",
        expected=mistake.expected,
        got=f"{mistake.got} Il avale aussi les interruptions : pytest s'arrête ici, relancez-le.",
        where=where,
    ).render()


def _rule(item: pytest.Item) -> str:
    documentation = inspect.getdoc(getattr(item, "function", None)) or item.name
    return documentation.split("\n")[0].rstrip(".")
