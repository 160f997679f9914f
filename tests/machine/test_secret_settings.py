"""Les secrets du kata 07 : de l'environnement de l'étudiant à celui du worker, sans se montrer."""

import json
import os
from pathlib import Path

import pytest

from atelier.machine import env_file, secret_settings
from atelier.prefect import worker as prefect_worker

DISCORD = "https://discord.invalid/api/webhooks/1/abc"
SLACK = "https://hooks.slack.invalid/services/def"


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ni secret, ni `.env` : ceux de qui lance ces tests ne comptent pas."""
    for name in (*secret_settings.NAMES, "ATELIER_SECRETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(env_file, "ENV_FILE", tmp_path / ".env")


def test_shared_secrets_reach_the_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ce que dépose l'espace de travail, le worker le lit ; à l'écran, seul le nom paraît."""
    monkeypatch.setenv("ATELIER_SECRETS", str(tmp_path))
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", DISCORD)

    secret_settings.share()

    assert {"DISCORD_WEBHOOK_URL": DISCORD} == secret_settings.given()
    assert "Secrets transmis au worker : DISCORD_WEBHOOK_URL.\n" == capsys.readouterr().out


def test_withdrawn_secret_is_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Un secret retiré du codespace disparaît au passage suivant."""
    monkeypatch.setenv("ATELIER_SECRETS", str(tmp_path))
    (tmp_path / "secrets.json").write_text(json.dumps({"DISCORD_WEBHOOK_URL": DISCORD}), encoding="utf-8")

    secret_settings.share()

    assert {} == secret_settings.given()


def test_env_file_is_enough(tmp_path: Path) -> None:
    """Sur sa machine, l'étudiant n'a que `.env` à remplir ; les autres lignes ne concernent pas le worker."""
    (tmp_path / ".env").write_text(f"SLACK_WEBHOOK_URL={SLACK}\nATELIER_MLFLOW_PORT=5001\n", encoding="utf-8")

    assert {"SLACK_WEBHOOK_URL": SLACK} == secret_settings.given()


def test_worker_follows_the_file_but_not_over_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Une ligne changée arrive au flow run suivant, sauf si l'utilisateur a mis lui-même la variable."""
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "la mienne")
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", "à oublier")
    monkeypatch.delenv("DISCORD_WEBHOOK_URL")
    (tmp_path / ".env").write_text(f"DISCORD_WEBHOOK_URL={DISCORD}\nSLACK_WEBHOOK_URL={SLACK}\n", encoding="utf-8")

    prefect_worker.refresh_secrets(fixed={"SLACK_WEBHOOK_URL"})

    assert (DISCORD, "la mienne") == (os.environ["DISCORD_WEBHOOK_URL"], os.environ["SLACK_WEBHOOK_URL"])


def test_unreadable_file_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Un fichier à moitié écrit ne fait pas tomber le worker."""
    monkeypatch.setenv("ATELIER_SECRETS", str(tmp_path))
    (tmp_path / "secrets.json").write_text('{"DISCORD', encoding="utf-8")

    prefect_worker.refresh_secrets(fixed=set())

    assert "DISCORD_WEBHOOK_URL" not in os.environ
