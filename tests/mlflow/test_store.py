"""Où vont les runs MLflow : jamais chez l'utilisateur, jamais ailleurs que sur cette machine."""

import http.server
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from atelier.mlflow import store as mlflow_store
from atelier.mlflow.store import Store
from tests.helpers.ports import free_port

VERSION = "/version"
EXPERIMENT = "/api/2.0/mlflow/experiments/get?experiment_id=0"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Le dossier d'état de ces tests."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(autouse=True)
def environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un environnement à soi, où le port de l'atelier est libre."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ |= {"ATELIER_HOME": str(home), "ATELIER_MLFLOW_PORT": str(free_port())}


@pytest.fixture
def serve() -> Iterator[Callable[[Mapping[str, str]], str]]:
    """Lance un serveur HTTP qui connaît ces pages, et rend son adresse."""
    servers = []

    def serve(pages: Mapping[str, str]) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path in pages else 404)
                self.end_headers()
                self.wfile.write(pages.get(self.path, "").encode())

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "uri",
    [
        "databricks",
        "databricks://work",
        "azureml://example.azureml.ms/workspaces/team",
        "https://dagshub.example/me/project.mlflow",
        "http://mlflow.team.example:5000",
        "http://10.0.0.7:5000",
        "http://127.0.0.1.example",
        "http://[",
        "sqlite:///mlflow.db",
        "postgresql://me:secret@127.0.0.1/mlflow",
        "file:/srv/mlruns",
        "mlruns",
        "",
    ],
)
def test_only_a_server_of_this_machine_is_kept(uri: str) -> None:
    """Ni compte, ni serveur d'équipe, ni base : de l'adresse donnée, seule celle d'un serveur local sert."""
    os.environ["MLFLOW_TRACKING_URI"] = uri

    assert [f"http://127.0.0.1:{os.environ['ATELIER_MLFLOW_PORT']}"] == mlflow_store.public_urls()


@pytest.mark.parametrize("url", ["http://127.0.0.1:5001", "http://localhost:5001/", "http://[::1]:5001"])
def test_given_local_server_comes_first(url: str) -> None:
    """Une adresse de cette machine passe avant le port de l'atelier."""
    os.environ["MLFLOW_TRACKING_URI"] = url

    assert url.rstrip("/") == mlflow_store.public_urls()[0]


def test_environment_is_prepared() -> None:
    """De tous les réglages de la personne, il ne reste qu'une adresse ; la télémétrie est coupée."""
    personal = {"MLFLOW_TRACKING_TOKEN": "x", "MLFLOW_EXPERIMENT_NAME": "work", "_MLFLOW_X": "x", "MLFLOW_RUN_ID": "x"}
    os.environ |= {**personal, "MLFLOW_TRACKING_URI": "databricks"}

    mlflow_store.prepare_environment()

    assert [] == [name for name in personal if name in os.environ]
    assert mlflow_store.public_urls()[0] == os.environ["MLFLOW_TRACKING_URI"]
    assert ("true", "true") == (os.environ["DO_NOT_TRACK"], os.environ["MLFLOW_DISABLE_TELEMETRY"])


def test_server_of_the_same_version_is_used(serve: Callable) -> None:
    """Un serveur MLflow de la même version, dont la base répond, est celui des katas."""
    url = serve({VERSION: mlflow_store.installed_version("mlflow"), EXPERIMENT: "{}"})
    os.environ["MLFLOW_TRACKING_URI"] = url

    assert Store(url) == mlflow_store.running_server()


@pytest.mark.parametrize(
    "pages",
    [
        {},
        {"/": "une autre application"},
        {VERSION: "1.30.0", EXPERIMENT: "{}"},
        {VERSION: "<html>", EXPERIMENT: "{}"},
    ],
    ids=["silent", "other", "old", "html"],
)
def test_other_program_is_not_used(serve: Callable, pages: Mapping[str, str]) -> None:
    """Un autre programme au port 5000, comme AirPlay sous macOS, ou un vieux MLflow : les katas s'en passent."""
    os.environ["MLFLOW_TRACKING_URI"] = serve(pages)

    assert mlflow_store.running_server() is None


def test_server_without_its_database_is_not_used(serve: Callable) -> None:
    """`/version` répond même à qui sera refusé : c'est la base qu'il faut interroger."""
    os.environ["MLFLOW_TRACKING_URI"] = serve({VERSION: mlflow_store.installed_version("mlflow"), "/health": "OK"})

    assert mlflow_store.running_server() is None


def test_new_store_is_empty_and_stays_in_its_folder(tmp_path: Path) -> None:
    """Deux bases neuves ne se mélangent pas, et leurs fichiers ne sont pas dans le dossier courant."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    stores = [mlflow_store.new_store(folder) for folder in folders]

    assert 2 == len({store.uri for store in stores})
    assert [f"{folder.as_uri()}/artifacts/0" for folder in folders] == [_default_location(folder) for folder in folders]


def test_template_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrer une base est long : on ne le fait qu'une fois par version."""
    migrations, migrate = [], mlflow_store._migrate
    monkeypatch.setattr(mlflow_store, "_migrate", lambda file: migrations.append(file) or migrate(file))
    os.environ["ATELIER_HOME"] = str(tmp_path / "state")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        mlflow_store.new_store(tmp_path / name)

    assert 1 == len(migrations)


def test_kept_store_is_kept() -> None:
    """Les runs d'un kata lancé à la main s'ajoutent aux précédents."""
    store = mlflow_store.kept_store()
    database = Path(store.uri.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE experiments SET name = 'mine'")

    assert store == mlflow_store.kept_store()
    with closing(sqlite3.connect(database)) as connection:
        assert [("mine",)] == connection.execute("SELECT name FROM experiments").fetchall()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Un run, sur le serveur de cette adresse."""
    import mlflow

    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: "http://127.0.0.1:5000")
    return SimpleNamespace(info=SimpleNamespace(experiment_id="7", run_id="abc"))


def test_link_reaches_the_browser(run: SimpleNamespace) -> None:
    """Le lien est celui du serveur où MLflow écrit."""
    assert "http://127.0.0.1:5000/#/experiments/7/runs/abc" == mlflow_store.run_url(run)


def test_link_is_right_in_a_codespace(run: SimpleNamespace) -> None:
    """Dans un codespace, le navigateur est ailleurs."""
    os.environ |= {"CODESPACE_NAME": "fuzzy-disco", "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": "app.github.dev"}

    assert "https://fuzzy-disco-5000.app.github.dev/#/experiments/7/runs/abc" == mlflow_store.run_url(run)


def _default_location(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return connection.execute("SELECT artifact_location FROM experiments").fetchone()[0]
