"""Les serveurs de l'atelier : `python -m atelier up`, `down`, `status`, `undeploy`, `doctor`."""

import shutil
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from atelier.harness import warm
from atelier.machine.addresses import browser_url
from atelier.machine.errors import EnvironmentProblem, typed_here
from atelier.machine.paths import ROOT, state_dir
from atelier.prefect import server as prefect_server
from atelier.prefect.session import connected, prepare_environment
from atelier.stack import doctor, lifecycle, services
from atelier.stack.lifecycle import State, Status

USAGE = f"""\
Les serveurs de l'atelier.

  python -m atelier up [service…]   démarrer ce qui ne tourne pas encore ({", ".join(lifecycle.NAMES)})
  python -m atelier down            arrêter tout ce que `up` a démarré
  python -m atelier status          dire ce qui tourne, et où
  python -m atelier undeploy        retirer du serveur Prefect les deployments des katas
  python -m atelier doctor          chercher ce qui ne va pas, et dire comment le réparer
  python -m atelier run service     faire tourner un service au premier plan, comme dans un conteneur"""
FIRST_STEP = """\
Prêt. Pour commencer :
{activate}
  pytest katas/00_tasks_flows        rouge : c'est le point de départ

puis lisez katas/00_tasks_flows/README.md."""

# Lu au départ de chaque Python de l'environnement : `import mlflow`, en tête d'un kata, écrirait chez l'utilisateur.
NO_TELEMETRY = 'import os; os.environ.setdefault("DO_NOT_TRACK", "true")'


def main(arguments: Sequence[str]) -> int:
    """Démarre, arrête ou décrit les serveurs ; rend 0, ou 1 si la machine ne le permet pas."""
    command = COMMANDS.get(arguments[0]) if arguments else None
    names = list(arguments[1:])
    if command is None or not set(names) <= set(lifecycle.NAMES):
        print(USAGE)
        return 0 if set(arguments) & {"-h", "--help"} else 2
    try:
        return command(names)
    except EnvironmentProblem as problem:
        print(f"\n{_capitalized(str(problem))}.\nPour réparer : {problem.repair}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nLe système refuse : {error}.\n{typed_here('Pour réparer : make doctor')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrompu.", file=sys.stderr)
        return 130


def _up(names: list[str]) -> int:
    _make_importable()
    started = time.monotonic()
    launched: list[str] = []

    def announce(names: list[str]) -> None:
        launched.extend(names)
        if names:
            titles = ", ".join(lifecycle.TITLES[name] for name in names)
            print(f"Démarrage : {titles} (une demi-minute)…", flush=True)

    def tell(status: Status) -> None:
        done = f"prêt en {time.monotonic() - started:.0f} s" if status.name in launched else _described(status)
        print(_line(status, done), flush=True)

    lifecycle.up(names, tell, announce)
    warm.start()
    print(f"\n{FIRST_STEP.format(activate=_activate())}")
    return 0


def _down(_: list[str]) -> int:
    stopped = [lifecycle.down(), warm.stop()]
    print("Tout est arrêté." if any(stopped) else "Rien à arrêter.")
    if lifecycle.sidecars():
        print("Les serveurs des conteneurs, eux, continuent : ils s'arrêtent avec le dev container.")
    return 0


def _status(_: list[str]) -> int:
    statuses = lifecycle.observe(lifecycle.default_names())
    for status in statuses:
        print(_line(status, _described(status)))
    server = prefect_server.running_server()
    if server and server.private:
        print(f"\nEn attendant, les katas ont leur serveur Prefect : {browser_url(server.url)}")
    states = {status.state for status in statuses}
    if State.SICK in states:
        print(typed_here("\nPour réparer : make up"))
    elif states != {State.READY}:
        print(typed_here("\nPour démarrer ce qui manque, et attendre que tout réponde : make up"))
    return 0


def _doctor(_: list[str]) -> int:
    problems = 0
    for finding in doctor.examine():
        problems += bool(finding.repair)
        print(f"  {'problème' if finding.repair else 'ok':<10}{typed_here(finding.text)}", flush=True)
        if finding.repair:
            print(f"  {'':<10}pour réparer : {typed_here(finding.repair)}", flush=True)
    count = f"{problems} problème{'s' if problems > 1 else ''}. Réparez le premier, puis relancez : make doctor"
    print(typed_here(f"\n{count if problems else 'Tout va bien.'}"))
    return 1 if problems else 0


def _undeploy(_: list[str]) -> int:
    server = prefect_server.running_server()
    if server is None:
        raise EnvironmentProblem("le serveur Prefect ne répond pas", "make up, puis make undeploy")
    prepare_environment()
    from prefect.client.orchestration import get_client

    from atelier.stack.deployments import remove_workshop_deployments

    with connected(server, state_dir() / "prefect" / "results"), get_client(sync_client=True) as client:
        names = remove_workshop_deployments(client)
    for name in names:
        print(f"  {name} : retiré")
    print("Plus rien ne partira tout seul." if names else "Rien à retirer.")
    return 0


def _run(names: list[str]) -> int:
    return services.run(names[0])


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "undeploy": _undeploy,
    "doctor": _doctor,
    "run": _run,
}


def _line(status: Status, text: str) -> str:
    note = f" ({status.note})" if status.note else ""
    return f"  {lifecycle.TITLES[status.name]:<8} {lifecycle.address(status.name):<24} {text}{note}"


def _described(status: Status) -> str:
    if status.state is State.STOPPED and (place := lifecycle.elsewhere(status.name)):
        return f"ne répond pas encore, {place}"
    if status.state is not State.READY:
        return status.state.value
    if status.process:
        return "en marche"
    return f"en marche, {lifecycle.elsewhere(status.name) or 'lancé par un autre programme'}"


def _make_importable() -> None:
    """Un kata se lance aussi comme un script : `import atelier` doit marcher d'où que l'on soit, sans télémétrie."""
    if sys.prefix == sys.base_prefix:
        return  # hors d'un environnement virtuel, on n'installe rien
    link = Path(sysconfig.get_path("purelib"), "atelier.pth")
    text = f"{ROOT}\n{NO_TELEMETRY}\n"
    if not link.exists() or link.read_text(encoding="utf-8") != text:
        link.write_text(text, encoding="utf-8")


def _activate() -> str:
    """La ligne qui active l'environnement virtuel, s'il ne l'est pas déjà."""
    found = shutil.which("pytest")
    if found and Path(found).parent == Path(sys.executable).parent:
        return ""
    return "\n  .venv\\Scripts\\activate" if sys.platform == "win32" else "\n  source .venv/bin/activate"


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
