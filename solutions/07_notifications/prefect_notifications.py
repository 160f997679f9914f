"""Kata 07 : prévenir l'équipe quand un run échoue, par un hook qui ne peut jamais nuire."""

import html
import logging
import os
import time
from pathlib import Path

import requests
from discord_webhook import DiscordEmbed, DiscordWebhook
from prefect import flow, task
from prefect.utilities.urls import url_for

from atelier import churn

PATIENCE_SECONDS = 1  # pour une réponse, et avant de retenter
logger = logging.getLogger("prefect.notifications")
logging.getLogger("urllib3").setLevel(logging.INFO)  # en DEBUG, `requests` journalise les adresses entières
load_customers = task(churn.load_customers, retries=2)


def summarize(flow, flow_run, state) -> dict[str, str]:
    """Ce que l'équipe doit savoir."""
    started = flow_run.start_time or state.timestamp  # un run refusé d'emblée n'a jamais démarré
    return {
        # TODO 1 : ajoutez « flow », « run » et « état », leurs noms, et « lien », l'adresse du run dans l'interface.
        # BEGIN SOLUTION
        "flow": flow.name,
        "run": flow_run.name,
        "état": state.name,
        "lien": url_for(flow_run),
        # END SOLUTION
        "durée": f"{(state.timestamp - started).total_seconds():.0f} s",
        "erreur": (state.message or "")[:500],
    }


def post_to_discord(url: str, summary: dict[str, str]) -> requests.Response:
    """Poste l'erreur, et le reste dans un encadré (« embed »)."""
    fields = [{"name": name, "value": value} for name, value in summary.items() if name != "erreur"]
    return DiscordWebhook(
        url,
        content=summary["erreur"],
        embeds=[DiscordEmbed(title="Un run a échoué", fields=fields)],
        # TODO 2 : ne laissez pas Discord traîner plus de PATIENCE_SECONDS, ni l'erreur réveiller quelqu'un.
        # BEGIN SOLUTION
        timeout=PATIENCE_SECONDS,
        allowed_mentions={"parse": []},
        # END SOLUTION
    ).api_post_request()


def post_to_slack(url: str, summary: dict[str, str]) -> requests.Response:
    """Poste `{"text": …}` en JSON, une ligne par information."""
    text = "\n".join(f"{name} : {value}" for name, value in summary.items())
    # De même pour Slack, avec `requests`.
    # BEGIN SOLUTION
    return requests.post(url, json={"text": html.escape(text, quote=False)}, timeout=PATIENCE_SECONDS)
    # END SOLUTION


def deliver(post, url: str, summary: dict[str, str]) -> None:
    """Appelle `post(url, summary)` sans lever d'erreur, traîner ni trahir l'adresse, quoi que fasse le service."""
    # TODO 3 : un 429 se retente une fois, si `Retry-After` ne dépasse pas PATIENCE_SECONDS ; un échec s'avoue.
    # BEGIN SOLUTION
    try:
        response = post(url, summary)
        if response.status_code == 429:
            wait = float(response.headers["Retry-After"])
            if wait <= PATIENCE_SECONDS:
                time.sleep(wait)
                response = post(url, summary)
        response.raise_for_status()
    except Exception as error:
        # Son type seulement : son texte contient l'adresse.
        logger.warning("Alerte non envoyée : %s", type(error).__name__)
    # END SOLUTION


def notify(flow, flow_run, state) -> None:
    """Le hook : Prefect l'appelle avec le flow, le run et l'état où il vient d'entrer."""
    services = {"DISCORD_WEBHOOK_URL": post_to_discord, "SLACK_WEBHOOK_URL": post_to_slack}
    # TODO 4 : prévenez les services dont l'environnement donne l'adresse ; si c'est aucun, un seul avertissement.
    # BEGIN SOLUTION
    summary = summarize(flow, flow_run, state)
    addresses = {name: os.environ.get(name) for name in services}
    for name, address in addresses.items():
        if address:
            deliver(services[name], address, summary)
    if not any(addresses.values()):
        logger.warning("Alerte non envoyée : aucune adresse")
    # END SOLUTION


@flow(
    # TODO 5 : branchez `notify` sur l'échec, et sur l'arrêt brutal du processus.
    # BEGIN SOLUTION
    on_failure=[notify],
    on_crashed=[notify],
    # END SOLUTION
)
def nightly_training(path: Path = churn.DATA) -> dict[str, float]:
    """Entraîne le modèle et le mesure."""
    train, test = churn.split_customers(load_customers(path))
    return churn.evaluate_model(churn.train_model(train), test)


# Défi, dans le README : `server_alert`, la même alerte, envoyée par le serveur.
# BEGIN SOLUTION
def server_alert(name: str, webhook_id):
    """Une automation : quand un run de ce flow échoue ou s'arrête, le serveur appelle ce webhook de Slack."""
    import json

    from prefect.automations import Automation, CallWebhook, EventTrigger

    link = url_for("flow-run", "{{ flow_run.id }}")
    text = "{{ flow.name }} {{ flow_run.name }} {{ flow_run.state.name }} " + link
    return Automation(
        name=name,
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match_related={"prefect.resource.role": "flow", "prefect.resource.name": nightly_training.name},
        ),
        actions=[CallWebhook(block_document_id=webhook_id, payload=json.dumps({"text": text}))],
    )


# END SOLUTION


if __name__ == "__main__":
    from atelier.workshop import visible_messages, workshop_server

    with workshop_server(), visible_messages():
        nightly_training("clients_perdus.csv", return_state=True)
