"""De faux services : de vrais processus, qui écoutent aux mêmes adresses et donnent les mêmes réponses que les vrais.

Les vrais mettent une demi-minute à démarrer. Ceux-ci ne changent que la commande d'une déclaration : le reste,
adresses, dépendances et questions, est celui de l'atelier.
"""

from dataclasses import replace

from atelier.stack import services
from atelier.stack.lifecycle import Stack
from atelier.stack.service import Plan, Service

# Réglé par l'environnement : FAKE_DELAY, FAKE_DEAD, FAKE_SLOW, FAKE_WORKER, FAKE_PREFECT.
FAKE = """\
import http.server, json, os, sys, time
from datetime import datetime, timezone

name = sys.argv[1]
time.sleep(float(os.environ.get("FAKE_DELAY", "0")))
if name in os.environ.get("FAKE_DEAD", ""):
    sys.exit("Traceback (most recent call last):\\nOSError: la base est illisible")
if name in os.environ.get("FAKE_SLOW", "") or name == "worker":
    time.sleep(600)

def worker(status, heard):
    return {"name": os.environ["FAKE_WORKER"], "status": status, "last_heartbeat_time": heard}

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        now = datetime.now(timezone.utc).isoformat()
        loaded = {"loadStatus": "LOADED", "locationOrLoadError": {"__typename": "RepositoryLocation"}}
        answers = {
            "/api/2.0/mlflow/experiments/search?max_results=1": {"experiments": [{}]},
            "/api/ready": {},
            "/api/admin/version": os.environ["FAKE_PREFECT"],
            "/api/work_pools/default-pool/workers/filter": [worker("ONLINE", now)],
            "/graphql": {"data": {"workspaceOrError": {"locationEntries": [loaded]}}},
        }
        body = json.dumps(answers[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass

port = int(os.environ[f"ATELIER_{name.upper()}_PORT"])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def fake_stack() -> Stack:
    """L'atelier de cette installation, en faux."""
    return Stack(map(_faked, services.SERVICES), services.environment)


def _faked(service: Service) -> Service:
    def plan() -> Plan:
        real = service.plan()
        # Les arguments du vrai, que personne ne lit : changer un réglage change encore son empreinte.
        return Plan(["-c", FAKE, service.name, *real.arguments], real.settings, real.home)

    return replace(service, plan=plan)
