"""Le faux salon et la lecture des journaux : si les katas s'y fient, ils doivent dire vrai."""

import logging
import math
import os
from collections.abc import Iterator

import pytest
import requests
from discord_webhook import DiscordWebhook

from atelier.prefect.clock import SimulatedClock, simulated_time
from atelier.props.chat_server import (
    DISCORD,
    DROP,
    OK,
    SLACK,
    SLOW,
    VARIABLES,
    ChatServer,
    Message,
    TooMany,
    visible_messages,
)
from atelier.props.logs import all_logs


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer() as chat, chat.expiring_timeouts():
        yield chat


def test_messages_are_kept(chat: ChatServer) -> None:
    """Un message accepté se relit, quel que soit le service."""
    embed = {"title": "titre", "fields": [{"name": "flow", "value": "f"}]}
    DiscordWebhook(chat.address(DISCORD), content="bonjour", embeds=[embed]).execute()
    requests.post(chat.address(SLACK), json={"text": "1 &lt; 2"}, timeout=5)

    assert ["bonjour\ntitre\nflow : f", "1 < 2"] == [str(message) for message in chat.messages]


@pytest.mark.parametrize(
    ("service", "payload"),
    [
        (DISCORD, {}),
        (DISCORD, {"content": ""}),
        (DISCORD, {"content": "x" * 2001}),
        (DISCORD, {"embeds": [{"fields": [{"name": "flow", "value": ""}]}]}),
        (DISCORD, {"embeds": [{"fields": [{"name": "flow", "value": "x" * 1025}]}]}),
        (SLACK, {"content": "bonjour"}),
    ],
)
def test_what_the_real_service_refuses_is_refused(chat: ChatServer, service: str, payload: dict) -> None:
    """Ce que Discord ou Slack refuseraient reçoit 400, avec une raison pour l'étudiant."""
    response = requests.post(chat.address(service), json=payload, timeout=5)

    assert (400, 0, 1) == (response.status_code, len(chat.messages), len(chat.refusals))


@pytest.mark.parametrize(
    ("service", "payload", "woken"),
    [
        (DISCORD, {"content": "@everyone @here <@1> <@!2> <@&3>"}, ["@everyone", "@here", "<@1>", "<@!2>", "<@&3>"]),
        (DISCORD, {"content": "@everyone <@1>", "allowed_mentions": {"parse": ["users"]}}, ["<@1>"]),
        (DISCORD, {"content": "@everyone", "allowed_mentions": {"parse": []}}, []),
        (DISCORD, {"embeds": [{"title": "@everyone"}]}, []),
        (SLACK, {"text": "@everyone <!channel> <@U1>"}, ["<!channel>", "<@U1>"]),
        (SLACK, {"text": "@everyone", "link_names": True}, ["@everyone"]),
        (SLACK, {"text": "&lt;!channel&gt;"}, []),
        (SLACK, {"blocks": [{"text": {"type": "mrkdwn", "text": "<!here>"}}]}, ["<!here>"]),
        (SLACK, {"blocks": [{"text": {"type": "plain_text", "text": "<!here>"}}]}, []),
    ],
)
def test_mentions_follow_the_rules_of_the_service(service: str, payload: dict, woken: list[str]) -> None:
    """On sait qui un message réveillerait."""
    assert woken == Message(service, payload).woken


def test_rate_limit_is_told_as_the_service_does(chat: ChatServer) -> None:
    """Les deux services disent quand revenir dans `Retry-After` ; Discord le répète dans son JSON."""
    chat.play([TooMany(3)], [TooMany(3)])
    discord, slack = (requests.post(chat.address(name), json={}, timeout=5) for name in (DISCORD, SLACK))

    assert (429, "3", 3) == (discord.status_code, discord.headers["Retry-After"], discord.json()["retry_after"])
    assert (429, "3", "rate_limited") == (slack.status_code, slack.headers["Retry-After"], slack.text)


def test_scenario_is_followed(chat: ChatServer) -> None:
    """Une connexion coupée, un refus, puis des acceptations : la dernière réponse se répète."""
    chat.play(slack=[DROP, 503, OK])
    with pytest.raises(requests.ConnectionError):
        requests.post(chat.address(SLACK), json={"text": "a"}, timeout=5)
    codes = [requests.post(chat.address(SLACK), json={"text": "a"}, timeout=5).status_code for _ in range(3)]

    assert [503, 200, 200] == codes


@pytest.mark.parametrize(("timeout", "noted"), [(7, 7), ((1, 7), 7), (None, math.inf)])
def test_silence_is_noted(chat: ChatServer, timeout: float | None, noted: float) -> None:
    """Devant un service muet, le délai demandé au socket est noté, sans que personne l'attende."""
    chat.play(slack=[SLOW])
    with pytest.raises(requests.ReadTimeout):
        requests.post(chat.address(SLACK), json={"text": "a"}, timeout=timeout)

    assert [noted] == chat.silences


def test_library_waits_on_the_simulated_clock(chat: ChatServer) -> None:
    """Quand discord-webhook attend à la place de l'étudiant, personne n'attend, et l'attente est à son compte."""
    chat.play(discord=[TooMany(60), OK])
    with simulated_time(SimulatedClock(), lambda file: False) as clock:
        DiscordWebhook(chat.address(DISCORD), content="bonjour", rate_limit_retry=True).execute()

    assert ([60.15], 1) == (clock.student_waits, len(chat.messages))


def test_messages_are_shown_when_run_by_hand(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sans adresse, on lit ce que le service aurait reçu ; une adresse donnée par l'environnement l'emporte."""
    monkeypatch.delenv(VARIABLES[SLACK], raising=False)
    monkeypatch.setenv(VARIABLES[DISCORD], "http://127.0.0.1:9/secret")
    with visible_messages():
        requests.post(os.environ[VARIABLES[SLACK]], json={"text": "bonjour"}, timeout=5)
        assert "http://127.0.0.1:9/secret" == os.environ[VARIABLES[DISCORD]]

    shown = capsys.readouterr().out
    assert "Slack a reçu :\n  bonjour" in shown
    assert VARIABLES[DISCORD] in shown
    assert "secret" not in shown


def test_every_log_is_seen() -> None:
    """Aucun réglage d'avant ne cache une ligne ; ceux que pose le bloc comptent, puis tout redevient comme avant."""
    logger = logging.getLogger("tests.hidden")
    logger.setLevel(logging.CRITICAL)
    logger.propagate = False
    with all_logs() as logs:
        logger.debug("jeton")
        logger.setLevel(logging.INFO)
        logger.debug("jeton")

    assert ["tests.hidden, DEBUG"] == logs.showing("jeton")
    assert 1 == len(logs.records)
    assert (logging.CRITICAL, False) == (logger.level, logger.propagate)
