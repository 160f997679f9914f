"""Les heures viennent du calcul de Prefect, comparé à celui d'un calendrier ; le reste, d'un vrai serveur.

Un deployment de test a un nom qui n'est qu'à lui, et disparaît à la fin du test.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import prefect.runner
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prefect import Flow
from prefect.deployments.runner import RunnerDeployment
from prefect.server.schemas import schedules
from prefect.states import Pending

from atelier.feedback.verdict import explain
from atelier.props.properties import property_of_function
from atelier.sandbox.mistakes import StudentMistake
from atelier.stack.deployments import TAG, TemporaryDeployments
from atelier.stack.services import POOL

PARIS = ZoneInfo("Europe/Paris")
DAYS = ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim.")
DAY = timedelta(days=1)
MONDAY = date(2027, 1, 25)  # cette semaine finit un 31
EVERY_DAY, WEEKDAYS = range(7), range(5)
OFFICE_HOURS = range(8, 19)
FIRST_YEAR = 1976  # la France adopte l'heure d'été, avant ses voisins
years = st.integers(FIRST_YEAR, 2100)
a_few_years = settings(property_of_function, max_examples=10)


@pytest.fixture
def pool(deployments: TemporaryDeployments, monkeypatch: pytest.MonkeyPatch) -> TemporaryDeployments:
    """Le work pool de l'atelier, sans personne pour y travailler ; un `serve` n'y garderait pas la main."""

    async def refuse(*_: object, **__: object) -> None:
        raise StudentMistake(
            expected="deploy_all confie les deployments au worker, puis rend la main",
            got="un programme qui reste là pour exécuter les runs lui-même : c'est `serve`",
        )

    monkeypatch.setattr(prefect.runner.Runner, "start", refuse)
    deployments.create_pool()
    return deployments


@pytest.mark.todo(1)
def test_retraining_runs_every_day_at_six(kata):
    """Le réentraînement part à 6 h, heure de Paris, chaque jour de la semaine."""
    expected = runs_from(midnight(MONDAY), EVERY_DAY, [6], 7)

    runs = in_one_week(forecast(kata.retraining_deployment("test")))

    assert runs == expected, explain(expected=in_short(expected), got=in_short(runs))


@pytest.mark.todo(1)
def test_six_stays_six_when_clocks_change(kata):
    """Six heures restent six heures la veille, le jour et le lendemain d'un changement d'heure."""
    next_runs = forecast(kata.retraining_deployment("test"))

    @a_few_years
    @given(year=years, autumn=st.booleans())
    @example(year=2027, autumn=True)
    @example(year=2027, autumn=False)
    def stays_six(year: int, autumn: bool) -> None:
        eve = midnight(clock_changes(year)[-autumn] - DAY)
        expected = runs_from(eve, EVERY_DAY, [6], 3)

        runs = next_runs(eve, 3)

        assert runs == expected, explain(expected=in_full(expected), got=in_full(runs))

    stays_six()


@pytest.mark.todo(1)
def test_next_retraining_is_right_in_any_year(kata):
    """En n'importe quel mois de n'importe quelle année, le prochain réentraînement est à la bonne heure."""
    assert_right_in_any_year(kata.retraining_deployment("test"), EVERY_DAY, [6])


@pytest.mark.todo(2)
def test_retraining_has_production_parameters(kata, deployments):
    """Lancé à la main ou à l'heure prévue, le réentraînement reçoit le `C` de production."""
    applied = deployments.apply(kata.retraining_deployment(deployments.environment))

    assert_parameters(deployments, applied, {"C": 0.1})


@pytest.mark.todo(2)
def test_retraining_can_be_found_and_understood(kata, deployments):
    """Le tag de l'atelier aide à retrouver le deployment et ses runs ; sa description dit à quoi il sert."""
    applied = deployments.apply(kata.retraining_deployment(deployments.environment))

    assert_tagged(deployments, applied)
    assert_described(deployments, applied, kata.retraining)


@pytest.mark.todo(3)
def test_retraining_never_overlaps(kata, deployments):
    """Un réentraînement qui devrait partir pendant un autre est annulé."""
    assert_one_at_a_time(deployments, deployments.apply(kata.retraining_deployment(deployments.environment)))


@pytest.mark.todo(4)
def test_scoring_runs_every_office_hour(kata):
    """Le scoring part à chaque heure ronde de 8 h à 18 h, heure de Paris, du lundi au vendredi."""
    expected = runs_from(midnight(MONDAY), WEEKDAYS, OFFICE_HOURS, 5 * 11)

    runs = in_one_week(forecast(kata.scoring_deployment("test")))

    missing, extra = sorted(set(expected) - set(runs)), sorted(set(runs) - set(expected))
    assert runs == expected, explain(
        expected="en une semaine, 55 runs : à 08:00, à 09:00, et ainsi de suite jusqu'à 18:00, du lundi au vendredi",
        got=f"il manque : {in_short(missing[:5])} ; en trop : {in_short(extra[:5])}",
    )


@pytest.mark.todo(4)
def test_next_scoring_is_right_in_any_year(kata):
    """En n'importe quel mois de n'importe quelle année, le prochain scoring est à la bonne heure."""
    assert_right_in_any_year(kata.scoring_deployment("test"), WEEKDAYS, OFFICE_HOURS)


@pytest.mark.todo(4)
def test_scoring_has_its_own_settings(kata, deployments):
    """Le scoring a ses paramètres, le tag de l'atelier et sa description."""
    applied = deployments.apply(kata.scoring_deployment(deployments.environment))

    assert_parameters(deployments, applied, {"threshold": 0.7})
    assert_tagged(deployments, applied)
    assert_described(deployments, applied, kata.scoring)


@pytest.mark.todo(4)
def test_scoring_never_overlaps(kata, deployments):
    """Un scoring qui devrait partir pendant un autre est annulé, lui aussi."""
    assert_one_at_a_time(deployments, deployments.apply(kata.scoring_deployment(deployments.environment)))


@pytest.mark.todo(5)
def test_worker_gets_both_deployments(kata, pool):
    """Les deux deployments attendent dans le work pool du worker, leur schedule active."""
    kata.deploy_all(pool.environment)

    seen = {name: (found.work_pool_name, is_active(found)) for name, found in pool.deployed().items()}
    assert seen == {"retraining": (POOL, True), "scoring": (POOL, True)}, explain(
        expected=f"« retraining » et « scoring » dans le work pool « {POOL} », sous le nom de l'environnement",
        got=", ".join(f"« {name} » dans {where_it_waits(*found)}" for name, found in seen.items())
        or f"aucun deployment du nom de « {pool.environment} »",
    )


@pytest.mark.stack
@pytest.mark.todo(5)
def test_worker_runs_what_is_asked_and_what_is_planned(kata, pool):
    """Le worker exécute le run demandé tout de suite, et celui prévu quelques secondes plus tard."""
    kata.deploy_all(pool.environment)
    deployed = pool.deployed()
    planned = pool.start(deployed["scoring"].id, timedelta(seconds=3))
    asked = pool.start(deployed["retraining"].id)

    states = [run.state_name for run in pool.wait(asked, planned)]

    assert states == ["Completed", "Completed"], explain(
        expected="un réentraînement et un scoring « Completed »", got=f"« {states[0]} » et « {states[1]} »"
    )


@pytest.mark.stack
@pytest.mark.todo(5)
def test_worker_cancels_an_overlapping_run(kata, pool):
    """De deux réentraînements demandés en même temps, le worker en exécute un ; l'autre est annulé."""
    kata.deploy_all(pool.environment)
    retraining = pool.deployed()["retraining"].id

    runs = pool.wait(pool.start(retraining), pool.start(retraining))

    states = sorted(run.state_name for run in runs)
    assert states == ["Cancelled", "Completed"], explain(
        expected="un run « Completed », l'autre « Cancelled »", got=f"« {states[0]} » et « {states[1]} »"
    )


def assert_right_in_any_year(deployment: RunnerDeployment, days: Iterable[int], hours: Iterable[int]) -> None:
    """Le prochain run est celui que donne le calendrier, douze mois par an."""
    next_runs = forecast(deployment)

    @a_few_years
    @given(year=years, day=st.integers(1, 28), hour=st.integers(0, 23))
    @example(year=FIRST_YEAR, day=1, hour=0)
    def is_right(year: int, day: int, hour: int) -> None:
        for month in range(1, 13):
            start = datetime(year, month, day, hour, tzinfo=UTC)
            expected = runs_from(start, days, hours, 1)

            runs = next_runs(start, 1)

            assert runs == expected, explain(
                expected=f"après {in_full([start.astimezone(PARIS)])}, un run {in_full(expected)}", got=in_full(runs)
            )

    is_right()


def assert_parameters(deployments: TemporaryDeployments, applied: UUID, expected: dict[str, float]) -> None:
    """Un run lancé à la main et un run prévu ont tous deux les paramètres attendus."""
    planned = deployments.plan(applied, midnight(MONDAY), midnight(MONDAY + DAY))
    asked = deployments.start(applied)

    seen = {"à la main": asked.parameters, "à l'heure prévue": planned[0].parameters if planned else expected}
    assert list(seen.values()) == [expected, expected], explain(
        expected=f"des runs de paramètres {expected}",
        got=", ".join(f"{how} : {parameters or 'aucun'}" for how, parameters in seen.items()),
    )


def assert_tagged(deployments: TemporaryDeployments, applied: UUID) -> None:
    """Le deployment et ses runs portent le tag de l'atelier."""
    tags = {"le deployment": deployments.read(applied).tags, "un run": deployments.start(applied).tags}

    assert all(TAG in found for found in tags.values()), explain(
        expected=f"le tag « {TAG} » sur le deployment et sur ses runs",
        got=" ; ".join(f"sur {where} : {', '.join(found) or 'aucun'}" for where, found in tags.items()),
    )


def assert_described(deployments: TemporaryDeployments, applied: UUID, flow: Flow) -> None:
    """La page du deployment dit autre chose que la docstring du flow."""
    description = (deployments.read(applied).description or "").strip()

    assert description not in ("", flow.description), explain(
        expected="une description à vous : à quoi sert ce deployment, et à qui",
        got=f"« {description} »" + (", la docstring du flow" if description else ""),
    )


def assert_one_at_a_time(deployments: TemporaryDeployments, applied: UUID) -> None:
    """Deux runs que l'on propose au serveur comme le fait un worker : le second, pendant le premier."""
    first, second = deployments.start(applied), deployments.start(applied)

    states = [deployments.propose(first, Pending()), deployments.propose(second, Pending())]

    assert states == ["Pending", "Cancelled"], explain(
        expected="deux runs à la même heure : le premier part (« Pending »), le second est annulé (« Cancelled »)",
        got=f"le premier est « {states[0]} », le second « {states[1]} »",
    )


def forecast(deployment: RunnerDeployment) -> Callable[[datetime, int], list[datetime]]:
    """De quoi prévoir les prochains runs, comme le fait le serveur : aucun de ce qui est en pause."""
    active = [item.schedule for item in deployment.schedules or [] if item.active and not deployment.paused]
    # La même classe, du côté du serveur : elle seule sait calculer.
    calculators = [getattr(schedules, type(schedule).__name__)(**schedule.model_dump()) for schedule in active]

    def next_runs(start: datetime, count: int) -> list[datetime]:
        found = {run for schedule in calculators for run in asyncio.run(schedule.get_dates(count, start))}
        return sorted(datetime.fromtimestamp(run.timestamp(), PARIS) for run in found)[:count]

    return next_runs


def is_active(deployment) -> bool:
    return not deployment.paused and any(item.active for item in deployment.schedules or [])


def runs_from(start: datetime, days: Iterable[int], hours: Iterable[int], count: int) -> list[datetime]:
    """Les premiers runs à partir de `start`, d'après le calendrier : ni cron ni Prefect n'y sont pour rien."""
    found: list[datetime] = []
    for day in days_from(start.astimezone(PARIS).date()):
        moments = [datetime.combine(day, time(hour), PARIS) for hour in hours if day.weekday() in days]
        found += [moment for moment in moments if moment.timestamp() >= start.timestamp()]
        if len(found) >= count:
            return found[:count]
    return found


def clock_changes(year: int) -> list[date]:
    """Les jours de cette année où Paris change d'heure."""
    days = [date(year, 1, 1) + number * DAY for number in range(365)]
    return [day for day in days if midnight(day).utcoffset() != midnight(day + DAY).utcoffset()]


def days_from(day: date) -> Iterator[date]:
    while True:
        yield day
        day += DAY


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), PARIS)


def in_one_week(next_runs: Callable[[datetime, int], list[datetime]]) -> list[datetime]:
    """Les runs de la semaine de référence ; assez pour voir ce qu'il y a de trop."""
    return [run for run in next_runs(midnight(MONDAY), 100) if run < midnight(MONDAY + 7 * DAY)]


def in_short(moments: list[datetime]) -> str:
    return ", ".join(f"{DAYS[moment.weekday()]} {moment:%H:%M}" for moment in moments) or "aucun run"


def in_full(moments: list[datetime]) -> str:
    return ", ".join(f"{DAYS[moment.weekday()]} {moment:%d/%m/%Y à %H:%M}" for moment in moments) or "aucun run"


def where_it_waits(work_pool: str | None, active: bool) -> str:
    return (work_pool or "aucun work pool") + ("" if active else ", en pause")
