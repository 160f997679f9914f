# tué par : test_rate_limit_is_retried_once
# message : 5 requête(s)
"""Tant que le service dit 429, on recommence : le run ne finit jamais."""

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
        "flow": flow.name,
        "run": flow_run.name,
        "état": state.name,
        "lien": url_for(flow_run),
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
        timeout=PATIENCE_SECONDS,
        allowed_mentions={"parse": []},
    ).api_post_request()


def post_to_slack(url: str, summary: dict[str, str]) -> requests.Response:
    """Poste `{"text": …}` en JSON, une ligne par information."""
    text = "\n".join(f"{name} : {value}" for name, value in summary.items())
    return requests.post(url, json={"text": html.escape(text, quote=False)}, timeout=PATIENCE_SECONDS)


def deliver(post, url: str, summary: dict[str, str]) -> None:
    """Appelle `post(url, summary)` sans lever d'erreur, traîner ni trahir l'adresse, quoi que fasse le service."""
    try:
        response = post(url, summary)
        while response.status_code == 429:
            wait = float(response.headers["Retry-After"])
            if wait > PATIENCE_SECONDS:
                break
            time.sleep(wait)
            response = post(url, summary)
        response.raise_for_status()
    except Exception as error:
        # Son type seulement : son texte contient l'adresse.
        logger.warning("Alerte non envoyée : %s", type(error).__name__)


def notify(flow, flow_run, state) -> None:
    """Le hook : Prefect l'appelle avec le flow, le run et l'état où il vient d'entrer."""
    services = {"DISCORD_WEBHOOK_URL": post_to_discord, "SLACK_WEBHOOK_URL": post_to_slack}
    summary = summarize(flow, flow_run, state)
    addresses = {name: os.environ.get(name) for name in services}
    for name, address in addresses.items():
        if address:
            deliver(services[name], address, summary)
    if not any(addresses.values()):
        logger.warning("Alerte non envoyée : aucune adresse")


@flow(
    on_failure=[notify],
    on_crashed=[notify],
)
def nightly_training(path: Path = churn.DATA) -> dict[str, float]:
    """Entraîne le modèle et le mesure."""
    train, test = churn.split_customers(load_customers(path))
    return churn.evaluate_model(churn.train_model(train), test)
