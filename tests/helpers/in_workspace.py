"""Ce que fait un étudiant dans l'espace de travail : `python -m tests.helpers.in_workspace ACTION`, en JSON."""

import json
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from atelier.dagster.settings import DAGSTER
from atelier.prefect.settings import PREFECT

ROOT = Path(__file__).resolve().parents[2]
ERROR = """{ workspaceOrError { ... on Workspace { locationEntries {
  name loadStatus locationOrLoadError { __typename ... on PythonError { message errorChain { error { message } } }
} } } } }"""
RELOAD = 'mutation { reloadRepositoryLocation(repositoryLocationName: "katas") { __typename } }'
LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
MATERIALIZED = """query($key: [AssetKeyInput!]) { assetNodes(assetKeys: $key) {
  assetMaterializations(limit: 5) { runId } } }"""


def record() -> dict[str, str]:
    """Un run MLflow, avec une métrique et un fichier."""
    import mlflow

    mlflow.set_experiment("pile")
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.8)
        mlflow.log_text("bonjour", "message.txt")
    return {"run": run.info.run_id, "uri": mlflow.get_tracking_uri()}


def read(run: str) -> dict[str, object]:
    """Ce que MLflow garde de ce run."""
    import mlflow

    uri = f"runs:/{run}/message.txt"
    metrics = mlflow.MlflowClient().get_run(run).data.metrics
    return {"metrics": metrics, "text": Path(mlflow.artifacts.download_artifacts(uri)).read_text(encoding="utf-8")}


def deploy(name: str = "proof", times: str = "1") -> dict[str, list[str]]:
    """Déploie ce flow de `flows.py`, le fait exécuter par le worker, attend la fin de chaque run."""
    from prefect import flow
    from prefect.deployments import run_deployment

    source = flow.from_source(source=str(ROOT), entrypoint=f"tests/helpers/flows.py:{name}")
    source.deploy("pile", work_pool_name="default-pool", print_next_steps=False)
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: run_deployment(f"{name}/pile", timeout=120), range(int(times))))
    return {"states": [run.state.name for run in runs if run.state]}


def flow_runs() -> dict[str, int]:
    """Combien de flow runs le serveur connaît."""
    return {"count": int(_post(f"{PREFECT.url}/flow_runs/count", {}))}


def materialize() -> dict[str, str]:
    """Matérialise tous les assets du fichier de l'étudiant, comme le bouton de l'interface."""
    selector = {"repositoryLocationName": "katas", "repositoryName": "__repository__", "jobName": "__ASSET_JOB"}
    params = {"selector": selector, "runConfigData": {}, "mode": "default"}
    answer = _graphql(LAUNCH, {"params": params})["launchPipelineExecution"]
    if "run" not in answer:
        return {"status": json.dumps(answer), "run": ""}
    run = answer["run"]["runId"]
    for _ in range(240):
        status = _graphql(STATUS, {"id": run})["runOrError"]["status"]
        if status in ("SUCCESS", "FAILURE", "CANCELED"):
            break
        time.sleep(0.5)
    return {"status": status, "run": run}


def materializations(asset: str) -> dict[str, list[str]]:
    """Les runs qui ont matérialisé cet asset."""
    nodes = _graphql(MATERIALIZED, {"key": [{"path": [asset]}]})["assetNodes"]
    return {"runs": [found["runId"] for node in nodes for found in node["assetMaterializations"]]}


def reload() -> dict[str, str]:
    """Recharge le fichier de l'étudiant ; rend l'erreur que montre l'interface, s'il y en a une."""
    _graphql(RELOAD)
    for _ in range(120):
        [entry] = _graphql(ERROR)["workspaceOrError"]["locationEntries"]
        if entry["loadStatus"] == "LOADED":
            break
        time.sleep(0.5)
    error = entry["locationOrLoadError"]
    causes = [error, *(link["error"] for link in error["errorChain"])] if error["__typename"] == "PythonError" else []
    return {"error": "".join(cause["message"] for cause in causes)}


def _graphql(query: str, variables: dict[str, object] | None = None) -> dict:
    answer = json.loads(_post(f"{DAGSTER.url}/graphql", {"query": query, "variables": variables or {}}))
    if "errors" in answer:
        raise RuntimeError(json.dumps(answer["errors"])[:2000])
    return answer["data"]


def _post(url: str, body: object) -> bytes:
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=30) as answer:
        return answer.read()


if __name__ == "__main__":
    action, *arguments = sys.argv[1:]
    print(json.dumps(globals()[action](*arguments)))
