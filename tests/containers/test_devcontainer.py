"""Le dev container, de bout en bout : ce qu'un étudiant y fait, ce qui tombe en panne, ce qui ne doit pas fuir."""

import subprocess
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.helpers import tunnel
from tests.helpers.containers import BUILD_SECONDS, ONE_ASSET, SECRET, SERVERS, Stack
from tools import browser

pytestmark = [pytest.mark.docker, pytest.mark.timeout(BUILD_SECONDS)]

TUNNEL_PORT = 8443


@pytest.fixture
def assets(stack: Stack) -> None:
    """Le fichier Dagster de l'étudiant, tel que l'interface l'a chargé."""
    stack.save_assets()

    assert {"error": ""} == stack.ask("reload")


def test_katas_use_the_sidecars(stack: Stack) -> None:
    """`pytest` sur un kata laisse ses runs dans le serveur d'à côté, où l'étudiant les voit."""
    before = stack.ask("flow_runs")["count"]

    output = stack.run("pytest", "katas/00_tasks_flows", "--solutions")

    assert "http://127.0.0.1:4200/runs/flow-run/" in output
    assert before < stack.ask("flow_runs")["count"]


def test_make_up_uses_the_sidecars(stack: Stack) -> None:
    """`make up` ne démarre rien : il dit que les conteneurs servent, et par où commencer."""
    output = stack.run("make", "up")

    assert 4 == output.count("en marche, dans son conteneur")
    assert "pytest katas/00_tasks_flows" in output
    assert "Démarrage" not in output


def test_mlflow_keeps_metrics_and_artifacts(stack: Stack) -> None:
    """Un run écrit depuis l'espace de travail se relit, fichier compris, par le serveur."""
    run = stack.ask("record")

    assert "http://127.0.0.1:5000" == run["uri"]
    assert {"metrics": {"accuracy": 0.8}, "text": "bonjour"} == stack.ask("read", run["run"])


def test_worker_runs_a_deployment_with_the_secret(stack: Stack) -> None:
    """Un déploiement s'exécute dans le conteneur du worker, avec le secret que seul le codespace connaît."""
    assert ["Completed"] == stack.ask("deploy")["states"]
    assert stack.inside("prefect-worker", "cat", "/tmp/proof") == SECRET


def test_dagster_materializes(stack: Stack, assets: None) -> None:
    """Les assets du fichier de l'étudiant se matérialisent."""
    made = stack.ask("materialize")

    assert "SUCCESS" == made["status"]
    assert made["run"] in stack.ask("materializations", "customers")["runs"]


def test_broken_file_leaves_dagster_up(stack: Stack, assets: None) -> None:
    """Un fichier cassé se voit dans l'interface, qui reste debout ; réparé, il se recharge."""
    stack.save_assets("def customers(:\n")
    broken = stack.ask("reload")["error"]
    stack.save_assets(ONE_ASSET.replace("customers", "clients"))

    assert "SyntaxError" in broken
    assert "" == stack.ask("reload")["error"]
    assert "SUCCESS" == stack.ask("materialize")["status"]


def test_reload_repairs_dagster(stack: Stack, assets: None) -> None:
    """Quand le processus qui lit le fichier de l'étudiant meurt, le bouton « Reload » en relance un."""
    stack.inside("dagster", "pkill", "-9", "--full", "--", "-m dagster api grpc")

    errors = [stack.ask("reload")["error"] for _ in range(3)]

    assert "" == errors[-1]
    assert "SUCCESS" == stack.ask("materialize")["status"]


@pytest.mark.parametrize("form", ["keep", "rewrite"])
def test_interfaces_open_in_a_codespace(stack: Stack, chromium: str, form: str, tmp_path: Path) -> None:
    """Les trois interfaces s'affichent à travers un tunnel, sans requête en échec ni appel au-dehors."""
    urls = [tunnel.public_url(form, port) for port in (5000, 4200, 3000)]
    with stack.tunnel(TUNNEL_PORT) as address:
        options = tunnel.browser_options(address, TUNNEL_PORT)
        reports = browser.visit(browser.interfaces(*urls), tmp_path, options)

    assert [[]] * 3 == [report.failures for report in reports]
    assert [[url.removeprefix("https://")] for url in urls] == [report.hosts for report in reports]


def test_status_gives_the_addresses_of_the_codespace(stack: Stack) -> None:
    """Dans un codespace, les adresses affichées sont celles que le navigateur atteint."""
    codespace = ["CODESPACE_NAME=keep-atelier", f"GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN={tunnel.DOMAIN}"]

    output = stack.run("env", *codespace, "atelier", "status")

    assert [] == [port for port in (5000, 4200, 3000) if tunnel.public_url("keep", port) not in output]


@pytest.mark.parametrize("header", ["Host: evil.example", "Host: 5000.evil.example", "Origin: https://evil.example"])
def test_mlflow_refuses_strangers(stack: Stack, header: str) -> None:
    """Ni un nom ni une origine étrangers : une page web quelconque ne commande pas le MLflow de l'étudiant."""
    url = "http://127.0.0.1:5000/api/2.0/mlflow/experiments/create"
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", header, "--json", '{"name": "intrus"}', url]

    assert "403" == stack.inside("workspace", *command)


def test_killed_servers_come_back(stack: Stack, assets: None) -> None:
    """`kill -9` sur chaque processus de chaque serveur : il revient seul, rien de ce qu'il savait n'est perdu."""
    run, made, runs = stack.ask("record")["run"], stack.ask("materialize")["run"], stack.ask("flow_runs")["count"]

    for commands in zip_longest(*SERVERS.values()):
        for service, command in zip(SERVERS, commands, strict=True):
            if command:
                stack.kill(service, command)
        stack.wait()

    assert {"metrics": {"accuracy": 0.8}, "text": "bonjour"} == stack.ask("read", run)
    assert runs == stack.ask("flow_runs")["count"]
    assert made in stack.ask("materializations", "customers")["runs"]
    assert ["Completed"] == stack.ask("deploy")["states"]
    assert "SUCCESS" == stack.ask("materialize")["status"]


def test_rebuild_leaves_the_sidecars_alone(stack: Stack, secrets_file: Path) -> None:
    """« Rebuild Container » remplace l'espace de travail, et lui seul."""
    before = {name: stack.container(name) for name in ("net", "workspace", *SERVERS)}

    stack.up("--remove-existing-container", "--secrets-file", str(secrets_file))

    after = {name: stack.container(name) for name in before}
    assert ["workspace"] == [name for name in before if before[name] != after[name]]
    assert {"count"} == set(stack.ask("flow_runs"))


def test_down_then_up_keeps_everything(stack: Stack, assets: None, secrets_file: Path) -> None:
    """Tout est dans des volumes : enlever les conteneurs ne perd rien."""
    run, made, runs = stack.ask("record")["run"], stack.ask("materialize")["run"], stack.ask("flow_runs")["count"]

    stack.compose("down")
    stack.up("--secrets-file", str(secrets_file))
    stack.wait()

    assert {"metrics": {"accuracy": 0.8}, "text": "bonjour"} == stack.ask("read", run)
    assert runs == stack.ask("flow_runs")["count"]
    assert made in stack.ask("materializations", "customers")["runs"]


def test_secret_is_nowhere_to_be_read(stack: Stack) -> None:
    """Le secret n'est ni dans l'image, ni dans la configuration, ni dans un journal, ni dans le dépôt."""
    places = {
        "image": stack.docker("image", "inspect", "atelier-mlops")
        + stack.docker("history", "--no-trunc", "atelier-mlops"),
        "configuration": stack.compose("config"),
        "conteneurs": "".join(stack.inspect(name, "{{json .}}") for name in ("net", "workspace", *SERVERS)),
        "journaux": stack.compose("logs"),
    }

    assert [] == [place for place, text in places.items() if SECRET in text]
    assert 1 == subprocess.run(["grep", "-rqF", SECRET, str(stack.clone)], check=False).returncode
