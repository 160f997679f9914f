"""Deux services de poche, déclarés ici et nulle part ailleurs : de vrais serveurs, dont l'un a besoin de l'autre."""

from pathlib import Path

from atelier.machine.addresses import Address
from atelier.machine.web import fetch
from atelier.stack.lifecycle import Stack
from atelier.stack.service import Answer, Plan, Service

# Note dans un fichier commun son départ et son arrêt, et sert le dossier où il est.
TOY = """\
import http.server, signal, sys

name, port, story = sys.argv[1:]

def tell(what):
    with open(story, "a") as file:
        file.write(f"{name} {what}\\n")

def stop(*_):
    tell("s'arrête")
    sys.exit()

signal.signal(signal.SIGTERM, stop)
tell("démarre")
http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
PORTS = {"toy": "ATELIER_TOY_PORT", "kite": "ATELIER_KITE_PORT"}


def toy_stack(folder: Path) -> Stack:
    """Le cerf-volant, puis le jouet dont il a besoin ; leurs ports viennent de l'environnement."""
    return Stack([_toy("kite", "Cerf-volant", folder, needs=("toy",)), _toy("toy", "Jouet", folder)])


def _toy(name: str, title: str, folder: Path, needs: tuple[str, ...] = ()) -> Service:
    address = Address(PORTS[name], 0)

    def plan() -> Plan:
        return Plan(["-c", TOY, name, str(address.port), str(folder / "story.txt")], {}, folder)

    def ask(timeout: float, since: float | None) -> Answer | None:
        return Answer() if fetch(address.url, timeout) is not None else None

    return Service(name, title, "pytest", plan, ask, address, needs=needs)
