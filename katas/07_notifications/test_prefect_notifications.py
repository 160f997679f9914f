"""Discord et Slack, pour de vrai : un serveur HTTP local reçoit les alertes, les refuse, se tait ou disparaît."""

import math
import time
import traceback
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest

from atelier.feedback.verdict import explain
from atelier.prefect.clock import real_sleep
from atelier.props.chat_server import DISCORD, DROP, OK, SECRET, SLACK, SLOW, VARIABLES, ChatServer, TooMany
from atelier.props.logs import Logs, all_logs

MENTIONS = "@everyone @here <@1092> <@&2026> <!channel> <!subteam^S0> <@U0>"
ERROR = "DataError : l'âge & la date manquent"
SUMMARY = {
    "flow": "nightly-training",
    "run": "funky-bee <!here>",
    "état": "Failed",
    "lien": "http://127.0.0.1:4200/runs/flow-run/1092",
    "durée": "3 s",
    "erreur": f"{ERROR} {MENTIONS}",
}
LONGEST_DELAY_SECONDS = 5
AUTOMATION_SECONDS = 10  # le temps que le serveur lise l'événement ; une ou deux secondes d'ordinaire


@pytest.fixture(autouse=True)
def logs() -> Iterator[Logs]:
    with all_logs() as logs:
        yield logs


@pytest.fixture(autouse=True)
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """Les deux services ; aucune adresse n'est connue quand le fichier se charge."""
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    with ChatServer() as chat, chat.expiring_timeouts():
        yield chat


@pytest.fixture
def set_addresses(chat: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Donne à l'environnement l'adresse de ces services."""

    def set_addresses(*services: str) -> None:
        for service in services:
            monkeypatch.setenv(VARIABLES[service], chat.address(service))

    return set_addresses


@pytest.fixture(scope="module")
def failure(prefect_server) -> tuple:
    """Ce que Prefect passe à un hook : un flow, son run, et l'état où il vient d'entrer."""
    from prefect import flow

    events = []

    @flow(on_failure=[lambda *event: events.append(event)])
    def doomed_flow():
        raise ValueError(MENTIONS)

    doomed_flow(return_state=True)
    return events[0]


@pytest.fixture
def webhook_id(prefect_server, chat: ChatServer) -> Iterator[UUID]:
    """Un bloc `Webhook`, où le serveur de Prefect garde l'adresse de Slack, le temps du test."""
    from prefect.blocks.webhook import Webhook

    name = f"kata-07-{uuid4()}"
    yield Webhook(url=chat.address(SLACK)).save(name)
    Webhook.delete(name)


@pytest.fixture
def automations() -> Iterator[list]:
    """Les automations du test, effacées ensuite."""
    automations = []
    yield automations
    for automation in automations:
        automation.delete()


@pytest.mark.todo(1)
def test_summary_says_which_run_and_how_it_ended(kata, failure):
    """Le résumé donne le nom du flow, du run et de l'état."""
    flow, flow_run, state = failure

    summary = kata.summarize(flow, flow_run, state)

    expected = {"flow": flow.name, "run": flow_run.name, "état": state.name}
    got = {name: summary.get(name) for name in expected}
    assert got == expected, explain(expected=expected, got=got)


@pytest.mark.todo(1)
def test_summary_links_to_the_run(kata, failure):
    """Le lien ouvre ce run-là dans l'interface, où qu'elle soit : ici, dans un codespace."""
    from prefect.settings import PREFECT_UI_URL, temporary_settings

    with temporary_settings({PREFECT_UI_URL: "https://fluffy-train-4200.app.github.dev"}):
        summary = kata.summarize(*failure)

    page = f"https://fluffy-train-4200.app.github.dev/runs/flow-run/{failure[1].id}"
    assert summary.get("lien") == page, explain(expected=page, got=summary.get("lien"))


@pytest.mark.todo(2)
def test_discord_wakes_nobody(kata, chat):
    """Discord reçoit le message, mais l'erreur qu'il cite ne fait sonner aucun téléphone."""
    kata.post_to_discord(chat.address(DISCORD), SUMMARY)

    _assert_received_quietly(chat, DISCORD)


@pytest.mark.todo(2)
def test_discord_is_not_waited_for(kata, chat):
    """Si Discord ne répond pas, on s'en va."""
    chat.play(discord=[SLOW])

    _error_of(kata.post_to_discord, chat.address(DISCORD), SUMMARY)

    _assert_patience(kata, chat, DISCORD)


@pytest.mark.todo(2)
def test_slack_wakes_nobody(kata, chat):
    """Slack reçoit tout le message, lisible, mais rien de ce qu'il cite ne fait sonner de téléphone."""
    kata.post_to_slack(chat.address(SLACK), SUMMARY)

    _assert_received_quietly(chat, SLACK)


@pytest.mark.todo(2)
def test_slack_is_not_waited_for(kata, chat):
    """Si Slack ne répond pas, on s'en va."""
    chat.play(slack=[SLOW])

    _error_of(kata.post_to_slack, chat.address(SLACK), SUMMARY)

    _assert_patience(kata, chat, SLACK)


@pytest.mark.todo(3)
def test_trouble_raises_nothing(kata, chat, clock):
    """Quoi que fasse le service, `deliver` rend la main sans lever d'erreur."""
    for trouble, service, address in _troubles(chat):
        error = _error_of(kata.deliver, _post(kata, service), address, SUMMARY)

        assert error is None, explain(expected=f"aucune erreur quand {trouble}", got=type(error).__name__)


@pytest.mark.todo(3)
def test_lost_alert_leaves_one_warning(kata, chat, clock, logs):
    """Une alerte perdue laisse un avertissement dans le journal : sans lui, personne ne saurait qu'elle manque."""
    for trouble, service, address in _troubles(chat, OK):
        logs.records.clear()
        error = _error_of(kata.deliver, _post(kata, service), address, SUMMARY)

        warnings = logs.warnings_of(kata.__file__)
        assert (error, len(warnings)) == (None, 0 if chat.messages else 1), explain(
            expected=f"{0 if chat.messages else 1} avertissement quand {trouble}",
            got=f"avertissements : {warnings}{_raised(error)}",
        )


@pytest.mark.todo(3)
def test_address_is_never_written(kata, chat, clock, logs, capfd):
    """L'adresse n'est écrite nulle part, à aucun niveau de journal, que l'alerte parte ou non."""
    for trouble, service, address in _troubles(chat, OK):
        _error_of(kata.deliver, _post(kata, service), address, SUMMARY)
        printed = ["la sortie standard"] if SECRET in "".join(capfd.readouterr()) else []

        assert not logs.showing(SECRET) + printed, explain(
            expected=f"aucune trace de l'adresse quand {trouble}",
            got=f"elle est écrite dans {' ; '.join(logs.showing(SECRET) + printed)}",
        )


@pytest.mark.todo(3)
def test_rate_limit_is_waited_for(kata, chat, clock):
    """À un 429, on attend le temps que dit le service, puis on poste à nouveau."""
    for service in VARIABLES:
        chat.play([TooMany(1), OK], [TooMany(1), OK])
        clock.waits.clear()
        error = _error_of(kata.deliver, _post(kata, service), chat.address(service), SUMMARY)

        requests, waited, messages = len(chat.requests), sum(clock.student_waits), len(chat.messages)
        assert (requests, 1 <= waited < 2, messages) == (2, True, 1), explain(
            expected=f"{service} dit « 429, revenez dans 1 s » : 2 requêtes, 1 s d'attente, 1 message reçu",
            got=f"{requests} requête(s), {waited:g} s d'attente, {messages} message(s) reçu(s){_raised(error)}",
        )


@pytest.mark.todo(3)
def test_long_rate_limit_is_not_waited_for(kata, chat, clock):
    """Si le service demande d'attendre trop longtemps, on renonce : le run n'attend pas ses alertes."""
    for service in VARIABLES:
        for seconds in (kata.PATIENCE_SECONDS + 1, 600):
            chat.play([TooMany(seconds), OK], [TooMany(seconds), OK])
            clock.waits.clear()
            error = _error_of(kata.deliver, _post(kata, service), chat.address(service), SUMMARY)

            seen = (len(chat.requests), sum(clock.student_waits))
            assert seen == (1, 0), explain(
                expected=f"{service} dit « 429, revenez dans {seconds} s » : 1 requête, aucune attente",
                got=f"{seen[0]} requête(s), {seen[1]:g} s d'attente{_raised(error)}",
            )


@pytest.mark.todo(3)
def test_rate_limit_is_retried_once(kata, chat, clock):
    """Au second 429, on renonce : insister sans fin bloquerait le run."""
    for service in VARIABLES:
        chat.play([TooMany(1)] * 4 + [OK], [TooMany(1)] * 4 + [OK])
        error = _error_of(kata.deliver, _post(kata, service), chat.address(service), SUMMARY)

        assert len(chat.requests) == 2, explain(
            expected=f"{service} répond toujours 429 : 2 requêtes en tout",
            got=f"{len(chat.requests)} requête(s){_raised(error)}",
        )


@pytest.mark.todo(4)
def test_every_known_service_is_told(kata, chat, set_addresses, failure, monkeypatch):
    """Chaque service reçoit l'alerte dès que l'environnement donne son adresse, l'autre fût-elle inconnue."""
    for services in ([DISCORD], [SLACK], [DISCORD, SLACK]):
        chat.play()
        for variable in VARIABLES.values():
            monkeypatch.delenv(variable, raising=False)
        set_addresses(*services)
        error = _error_of(kata.notify, *failure)

        told = [message.service for message in chat.messages]
        assert sorted(told) == services, explain(
            expected=f"adresses connues : {' et '.join(VARIABLES[name] for name in services)} ; alertes : {services}",
            got=f"alertes : {told}{_raised(error)}",
        )


@pytest.mark.todo(4)
def test_one_service_down_does_not_silence_the_other(kata, chat, set_addresses, failure, clock):
    """La panne d'un service n'empêche pas de prévenir l'autre."""
    set_addresses(DISCORD, SLACK)
    for down, other in ((DISCORD, SLACK), (SLACK, DISCORD)):
        chat.play([DROP if down == DISCORD else OK], [DROP if down == SLACK else OK])
        error = _error_of(kata.notify, *failure)

        told = [message.service for message in chat.messages]
        assert told == [other], explain(
            expected=f"{down} {DROP}, et {other} reçoit l'alerte", got=f"alertes : {told}{_raised(error)}"
        )


@pytest.mark.todo(4)
def test_without_address_one_warning(kata, chat, failure, logs, monkeypatch):
    """Sans aucune adresse, le hook n'échoue pas : il laisse un avertissement, un seul ; avec une adresse, aucun."""
    discord, slack = VARIABLES.values()
    cases = [
        ("aucune variable n'est définie", {}, 1),
        ("les deux variables sont vides", {discord: "", slack: ""}, 1),
        ("une seule adresse est connue", {slack: chat.address(SLACK)}, 0),
    ]
    for case, environment, count in cases:
        logs.records.clear()
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            error = _error_of(kata.notify, *failure)

        warnings = logs.warnings_of(kata.__file__)
        assert (error, len(warnings)) == (None, count), explain(
            expected=f"{count} avertissement quand {case}",
            got=f"avertissements : {warnings}{_raised(error)}",
        )


@pytest.mark.todo(5)
def test_success_says_nothing(kata, run, chat, set_addresses, logs):
    """Un run réussi n'envoie rien ; un run échoué, si."""
    set_addresses(DISCORD)

    success = run(kata.nightly_training)
    after_success = len(chat.messages)
    failed = run(kata.nightly_training, "missing.csv")
    _raise_blunder(logs)

    assert (after_success, len(chat.messages)) == (0, 1), explain(
        expected="0 alerte après un run « Completed », 1 après un run « Failed »",
        got=f"{after_success} après {success}, {len(chat.messages) - after_success} après {failed}",
    )


@pytest.mark.todo(5)
def test_failed_run_is_told_once(kata, run, chat, set_addresses, logs):
    """Un run qui échoue pour de bon envoie une alerte par service, quel que soit le nombre d'essais."""
    set_addresses(DISCORD, SLACK)

    record = run(kata.nightly_training.with_options(retries=1), "missing.csv")
    _raise_blunder(logs)

    links = ["ce run" if str(record.flow_run_id) in str(message) else "autre chose" for message in chat.messages]
    told = [f"{message.service} : {link}" for message, link in zip(chat.messages, links, strict=True)]
    assert sorted(told) == ["Discord : ce run", "Slack : ce run"], explain(
        expected="après deux essais du flow, deux alertes : une par service, avec le lien de ce run",
        got=f"{len(told)} alerte(s), et où mène leur lien : {told}",
    )


@pytest.mark.todo(5)
def test_crashed_run_is_told(kata, chat, set_addresses, logs, clock, storage, monkeypatch):
    """Un processus qui s'arrête en plein run envoie aussi l'alerte, et elle dit « Crashed »."""
    set_addresses(DISCORD)
    monkeypatch.setattr(kata.churn, "split_customers", _stop)
    error = _error_of(kata.nightly_training)
    _raise_blunder(logs)

    told = ["Crashed" in str(message) for message in chat.messages]
    assert told == [True], explain(
        expected="une alerte « Crashed » quand le processus s'arrête",
        got=f"{len(told)} alerte(s), dont {sum(told)} « Crashed »{_raised(error, expected=SystemExit)}",
    )


@pytest.mark.todo(5)
def test_refused_run_is_told(kata, run, chat, set_addresses, logs):
    """Un run refusé pour un mauvais paramètre envoie l'alerte, alors que le flow n'a jamais commencé."""
    set_addresses(DISCORD)

    record = run(kata.nightly_training, 42)
    _raise_blunder(logs)

    assert len(chat.messages) == 1, explain(
        expected="une alerte quand `path` vaut 42", got=f"{len(chat.messages)} alerte(s), pour un run {record}"
    )


@pytest.mark.todo(5)
def test_broken_services_leave_the_run_alone(kata, run, chat, set_addresses, clock):
    """Des services en panne ou muets ne changent ni l'état du run, ni son erreur, et le retardent de 5 s au plus."""
    set_addresses(DISCORD, SLACK)
    for answers in ([500], [SLOW], [TooMany(kata.PATIENCE_SECONDS), SLOW]):
        chat.play(answers, answers)
        clock.waits.clear()
        record = run(kata.nightly_training, "missing.csv")

        outcome = (record.state.name, _name(record.error), set(chat.requests))
        assert outcome == ("Failed", "DataError", {DISCORD, SLACK}), explain(
            expected=f"chaque service {_said(answers)} ; tous deux ont été appelés, le run est « Failed », DataError",
            got=f"appelés : {chat.requests} ; run : {record}",
        )
        delay = sum(clock.student_waits) + sum(chat.silences)
        assert delay <= LONGEST_DELAY_SECONDS, explain(
            expected=f"chaque service {_said(answers)} : au plus {LONGEST_DELAY_SECONDS} s de retard pour le run",
            got=f"attentes de {clock.student_waits} s, silences de {chat.silences} s",
        )


@pytest.mark.todo(5)
def test_prefect_never_knows_the_address(kata, run, chat, set_addresses, logs):
    """Ni les paramètres, ni les états, ni le journal de Prefect ne contiennent l'adresse, même en panne."""
    set_addresses(DISCORD, SLACK)
    chat.play([500], [500])

    record = run(kata.nightly_training, "missing.csv")

    places = {"l'erreur du run": _trace(record.error), "le serveur de Prefect": _stored()}
    leaks = [*logs.showing(SECRET), *(place for place, text in places.items() if SECRET in text)]
    assert (chat.requests, leaks) == ([DISCORD, SLACK], []), explain(
        expected="les deux services appelés, et aucune trace de leur adresse",
        got=f"services appelés : {chat.requests} ; adresse écrite dans {' ; '.join(leaks) or 'aucun endroit'}",
    )


@pytest.mark.bonus
@pytest.mark.todo(5)
def test_server_tells_what_the_hook_cannot(kata, run, chat, webhook_id, automations, failure, monkeypatch):
    """Le serveur prévient lui-même Slack, sans le hook : il reste debout quand le processus du run est tué."""
    from prefect.utilities.urls import url_for

    automations.append(kata.server_alert(f"kata 07 {uuid4()}", webhook_id).create())

    run(failure[0])  # un autre flow
    run(kata.nightly_training)
    record = run(kata.nightly_training, "missing.csv")
    monkeypatch.setattr(kata.churn, "split_customers", _stop)
    _error_of(kata.nightly_training)

    deadline = time.monotonic() + AUTOMATION_SECONDS
    while len(chat.messages) < 2 and time.monotonic() < deadline:
        real_sleep(0.05)
    name, link = kata.nightly_training.name, url_for("flow-run", record.flow_run_id)
    told = sorted(map(str, chat.messages), key=lambda text: "Failed" in text)
    words = [{name, "Crashed"}, {name, "Failed", link}]
    complete = [wanted <= set(text.split()) for wanted, text in zip(words, told, strict=False)]
    assert (len(told), complete) == (2, [True, True]), explain(
        expected=f"deux alertes de {name} : « Crashed », et « Failed » avec le lien {link}",
        got=f"alertes reçues : {[text[:80] for text in told]}",
    )


def _troubles(chat: ChatServer, *more: object) -> Iterator[tuple[str, str, str]]:
    """Tout ce qui peut mal se passer : ce que c'est, le service qui le fait, l'adresse où poster."""
    for service in VARIABLES:
        for answer in (DROP, SLOW, 404, 500, TooMany(600), TooMany(None), *more):
            chat.play([answer], [answer])
            yield f"{service} {_said([answer])}", service, chat.address(service)
        chat.play()
        yield "l'adresse est mal copiée", service, chat.address(service).removeprefix("http://")
    chat.stop()
    for service in VARIABLES:
        yield f"{service} est injoignable", service, chat.address(service)


def _stop(*arguments: object) -> None:
    raise SystemExit("the worker stops")


def _post(kata, service: str) -> Callable:
    return kata.post_to_discord if service == DISCORD else kata.post_to_slack


def _said(answers: list) -> str:
    return ", puis ".join(answer if isinstance(answer, str) else f"répond {answer}" for answer in answers)


def _assert_received_quietly(chat: ChatServer, service: str) -> None:
    received = "\n".join(map(str, chat.messages))
    told = [*(SUMMARY[name] for name in ("flow", "état", "lien", "durée")), ERROR]
    missing = [text for text in told if text not in received] if chat.messages else ["tout"]
    woken = [mention for message in chat.messages for mention in message.woken]
    refused = f"refusé : {chat.refusals} ; " if chat.refusals else ""
    assert (chat.requests, missing, woken) == ([service], [], []), explain(
        expected=f"un message accepté par {service}, qui dit tout, et ne réveille personne",
        got=f"{len(chat.messages)} message(s) accepté(s) ; {refused}il y manque {missing} ; réveillés : {woken}",
    )


def _assert_patience(kata, chat: ChatServer, service: str) -> None:
    given_up = ["jamais" if math.isinf(seconds) else f"après {seconds:g} s" for seconds in chat.silences]
    assert [seconds <= kata.PATIENCE_SECONDS for seconds in chat.silences] == [True], explain(
        expected=f"une requête à {service}, abandonnée après {kata.PATIENCE_SECONDS} s de silence",
        got=f"{len(chat.requests)} requête(s), abandonnée(s) : {', '.join(given_up) or 'aucune'}",
    )


def _error_of(function: Callable[..., object], *arguments: object) -> BaseException | None:
    try:
        function(*arguments)
    except NotImplementedError:
        raise
    except (Exception, SystemExit) as error:
        return error
    return None


def _raise_blunder(logs: Logs) -> None:
    """L'erreur du hook, que Prefect n'a fait que journaliser : c'est elle qu'il faut montrer."""
    if logs.hook_error:
        raise logs.hook_error


def _name(error: BaseException | None) -> str:
    return type(error).__name__ if error else "aucune"


def _raised(error: BaseException | None, expected: type[BaseException] | None = None) -> str:
    return f", et une erreur : {_name(error)}" if error and type(error) is not expected else ""


def _trace(error: BaseException | None) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) if error else ""


def _stored() -> str:
    """Les derniers runs, tels que le serveur de Prefect les garde."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort, TaskRunSort

    with get_client(sync_client=True) as client:
        flow_runs = client.read_flow_runs(limit=5, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
        task_runs = client.read_task_runs(limit=5, sort=TaskRunSort.EXPECTED_START_TIME_DESC)
    return "\n".join(run.model_dump_json() for run in [*flow_runs, *task_runs])
