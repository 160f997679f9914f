"""Les fichiers du dev container, relus sans Docker : deux variantes et Compose ne doivent pas se contredire."""

import json
import re
from pathlib import Path

import pytest

from atelier.stack.services import SERVICES
from tests.helpers.katas import ROOT

FULL = ROOT / ".devcontainer" / "devcontainer.json"
LITE = ROOT / ".devcontainer" / "lite" / "devcontainer.json"
COMPOSE = ROOT / "compose" / "compose.yaml"
LISTENING = [service for service in SERVICES if service.address]
# Ce qui distingue la variante sans Dagster.
DIFFERENT = {"name", "dockerComposeFile", "runServices", "forwardPorts", "portsAttributes", "hostRequirements"}


def _json(path: Path) -> dict:
    """Du JSON à commentaires, chacun sur sa ligne."""
    return json.loads(re.sub(r"^\s*//.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE))


def _values(text: str, name: str) -> set[str]:
    return {value.strip() for value in re.findall(rf"^ *{name}: (.+)$", text, flags=re.MULTILINE)}


def test_variants_differ_only_where_they_must() -> None:
    """Un réglage changé dans une variante l'est dans l'autre."""
    full, lite = _json(FULL), _json(LITE)

    assert {name for name in full | lite if full.get(name) != lite.get(name)} <= DIFFERENT


@pytest.mark.parametrize(("path", "missing"), [(FULL, set()), (LITE, {"dagster"})], ids=["complète", "lite"])
def test_forwarded_ports_are_those_of_the_servers(path: Path, missing: set[str]) -> None:
    """L'éditeur transmet le port de chaque interface, un nombre seul, sous son nom."""
    config = _json(path)
    names = {each.address.default_port: each.title for each in LISTENING if each.name not in missing}

    assert sorted(names) == sorted(config["forwardPorts"])
    assert {str(port): name for port, name in names.items()} == {
        port: attributes["label"] for port, attributes in config["portsAttributes"].items()
    }


def test_compose_gives_the_usual_ports() -> None:
    """Dans un dev container, les ports ne changent pas : l'éditeur ne transmettrait pas les autres."""
    text = COMPOSE.read_text(encoding="utf-8")

    usual = {each.address.port_setting: {str(each.address.default_port)} for each in LISTENING}
    assert usual == {setting: _values(text, setting) for setting in usual}


def test_compose_runs_every_service() -> None:
    """Un conteneur par service de `atelier/stack/services.py`, tous connus de l'espace de travail."""
    text = COMPOSE.read_text(encoding="utf-8")

    names = [service.name for service in SERVICES]
    assert set(names) == set(re.findall(r"\[python, -m, atelier, run, ([a-z]+)\]", text))
    assert {",".join(names)} == _values(text, "ATELIER_SIDECARS")


def test_no_port_is_published() -> None:
    """Sans `ports.yaml`, Docker ne publie rien ; avec lui, rien au-delà de cette machine."""
    published = re.findall(
        r"^ +- (\S+:\$\{ATELIER.*)$", (COMPOSE.with_name("ports.yaml")).read_text(), flags=re.MULTILINE
    )

    assert "ports:" not in COMPOSE.read_text(encoding="utf-8")
    assert 3 == len(published)
    assert [] == [port for port in published if not port.startswith("127.0.0.1:")]
