"""Les serveurs de l'atelier : `python -m atelier up`, `down`, `status`."""

import argparse
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from atelier import warm
from atelier.errors import EnvironmentProblem
from atelier.paths import ROOT
from atelier.prefect_server import ensure_server, running_server, stop_server, ui_url

FIRST_STEP = """\
Prêt. Pour commencer :

  source {activate}
  pytest katas/00_tasks_flows        rouge : c'est le point de départ

puis lisez katas/00_tasks_flows/README.md."""


def main(argv: Sequence[str] | None = None) -> int:
    """Démarre, arrête ou décrit les serveurs ; rend 0, ou 1 si la machine ne le permet pas."""
    parser = argparse.ArgumentParser(prog="python -m atelier", description="Les serveurs de l'atelier.")
    parser.add_argument("command", choices=("up", "down", "status"))
    command = {"up": _up, "down": _down, "status": _status}[parser.parse_args(argv).command]
    try:
        return command()
    except EnvironmentProblem as problem:
        print(f"{problem}\nPour réparer : {problem.repair}", file=sys.stderr)
        return 1


def _up() -> int:
    _make_importable()
    print("Démarrage du serveur Prefect…", flush=True)
    server = ensure_server()
    warm.start()
    print(f"Prefect : {ui_url(server.url)}\n")
    print(FIRST_STEP.format(activate=_activate()))
    return 0


def _down() -> int:
    stopped = [stop_server(), warm.stop()]
    print("Tout est arrêté." if any(stopped) else "Rien à arrêter.")
    return 0


def _status() -> int:
    server = running_server()
    print(f"Prefect : {ui_url(server.url)}" if server else "Prefect : arrêté (pour le démarrer : make up)")
    return 0


def _make_importable() -> None:
    """Un kata se lance aussi comme un script : `import atelier` doit marcher d'où que l'on soit."""
    if sys.prefix == sys.base_prefix:
        return  # hors d'un environnement virtuel, on n'installe rien
    link = Path(sysconfig.get_path("purelib"), "atelier.pth")
    if not link.exists() or link.read_text(encoding="utf-8") != str(ROOT):
        link.write_text(str(ROOT), encoding="utf-8")


def _activate() -> str:
    return r".venv\Scripts\activate" if sys.platform == "win32" else ".venv/bin/activate"


if __name__ == "__main__":
    sys.exit(main())
