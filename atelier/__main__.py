"""La commande `atelier`, ou `python -m atelier` : les serveurs de l'atelier, et ce qui les entoure.

Rien de lourd ne s'importe ici : `atelier status` répond dans la demi-seconde. Ce qui n'est qu'à une commande s'importe
dans celle-ci.
"""

import sys
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from atelier.machine.addresses import browser_url
from atelier.machine.errors import EnvironmentProblem, typed_here
from atelier.stack import services
from atelier.stack.lifecycle import Stack, State, Status, shown_address
from atelier.stack.service import Service

FIRST_STEP = """\
Prêt. Pour commencer :
{activate}
  pytest katas/00_tasks_flows        rouge : c'est le point de départ

puis lisez katas/00_tasks_flows/README.md."""
INTERRUPTED = 130  # ce que Typer fait de Ctrl-C
# Ce que Typer ne dit qu'en anglais.
OPTIONS = {
    "help": "montrer cette aide",
    "install_completion": "apprendre à ce terminal à compléter ces commandes avec Tab",
    "show_completion": "montrer ce que cela ajouterait à sa configuration",
}


class UnknownServiceError(LookupError):
    """Un service que l'atelier n'a pas."""


class _French:
    """L'aide d'une commande, en français."""

    def get_params(self, context: Any) -> list[Any]:
        parameters = super().get_params(context)
        for parameter in parameters:
            parameter.help = OPTIONS.get(parameter.name, parameter.help)
        return parameters

    def format_usage(self, context: Any, formatter: Any) -> None:
        formatter.write_usage(context.command_path, " ".join(self.collect_usage_pieces(context)), "Usage : ")

    def collect_usage_pieces(self, context: Any) -> list[str]:
        names = [each.metavar for each in self.get_params(context) if each.param_type_name == "argument"]
        return names or super().collect_usage_pieces(context)

    def format_options(self, context: Any, formatter: Any) -> None:
        options = [
            (each.metavar or ", ".join(sorted(each.opts, key=len)), each.help) for each in self.get_params(context)
        ]
        commands = [(name, command.help) for name, command in getattr(self, "commands", {}).items()]
        for title, rows in (("Commandes ", commands), ("Options ", options)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class _Group(_French, TyperGroup):
    """L'ensemble des commandes."""


class _Command(_French, TyperCommand):
    """Une commande."""


def _completed(incomplete: str) -> list[str]:
    return [service.name for service in services.SERVICES if service.name.startswith(incomplete)]


ServiceName = Annotated[str, typer.Argument(help="lequel", metavar="SERVICE", autocompletion=_completed)]
ServiceNames = Annotated[
    list[str] | None, typer.Argument(help="seulement ceux-là", metavar="[SERVICE …]", autocompletion=_completed)
]
app = typer.Typer(
    cls=_Group,
    help="Les serveurs de l'atelier.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    options_metavar="",
    subcommand_metavar="COMMANDE",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None, stack: Stack | None = None) -> int:
    """Joue une commande sur cet atelier ; rend 0, 1 si la machine ne le permet pas, 2 si elle est mal tapée."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = app(arguments, prog_name="atelier", standalone_mode=False, obj=stack or services.workshop()) or 0
    except UnknownServiceError as error:
        print(error, file=sys.stderr)
        return 2
    except TyperException:
        if arguments:
            print(f"Je ne comprends pas « {' '.join(['atelier', *arguments])} ».\n", file=sys.stderr)
        app(["--help"], prog_name="atelier", standalone_mode=False)
        return 2
    except EnvironmentProblem as problem:
        print(f"\n{_capitalized(str(problem))}.\nPour réparer : {problem.repair}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nLe système refuse : {error}.\n{typed_here('Pour réparer : make doctor')}", file=sys.stderr)
        return 1
    if code == INTERRUPTED:
        print("\nInterrompu.", file=sys.stderr)
    return code


def _command(name: str, help: str) -> Any:
    return app.command(name, cls=_Command, help=help, options_metavar="")


@_command("up", "démarrer ce qui ne tourne pas encore")
def _up(context: typer.Context, names: ServiceNames = None) -> int:
    from atelier.harness import warm
    from atelier.stack import install

    stack: Stack = context.obj
    chosen = [_known(stack, name).name for name in names or ()]
    install.make_importable()
    started = time.monotonic()
    launched: list[Service] = []

    def announce(starting: list[Service]) -> None:
        launched.extend(starting)
        if starting:
            titles = ", ".join(service.title for service in starting)
            print(f"Démarrage : {titles} (une demi-minute)…", flush=True)

    def tell(status: Status) -> None:
        is_new = status.service in launched
        done = f"prêt en {time.monotonic() - started:.0f} s" if is_new else _described(stack, status)
        print(_line(status, done), flush=True)

    stack.up(chosen, tell, announce)
    warm.start()
    print(f"\n{FIRST_STEP.format(activate=install.activation())}")
    return 0


@_command("down", "arrêter tout ce que `up` a démarré")
def _down(context: typer.Context) -> int:
    from atelier.harness import warm

    stopped = [context.obj.down(), warm.stop()]
    print("Tout est arrêté." if any(stopped) else "Rien à arrêter.")
    if context.obj.sidecars():
        print("Les serveurs des conteneurs, eux, continuent : ils s'arrêtent avec le dev container.")
    return 0


@_command("status", "dire ce qui tourne, et où")
def _status(context: typer.Context) -> int:
    from atelier.prefect.server import running_server

    statuses = context.obj.observe()
    for status in statuses:
        print(_line(status, _described(context.obj, status)))
    server = running_server()
    if server and server.private:
        print(f"\nEn attendant, les katas ont leur serveur Prefect : {browser_url(server.url)}")
    states = {status.state for status in statuses}
    if State.SICK in states:
        print(typed_here("\nPour réparer : make up"))
    elif states != {State.READY}:
        print(typed_here("\nPour démarrer ce qui manque, et attendre que tout réponde : make up"))
    return 0


@_command("undeploy", "retirer du serveur Prefect les deployments des katas")
def _undeploy() -> int:
    from atelier.prefect.server import running_server
    from atelier.prefect.settings import prepare_environment, results

    server = running_server()
    if server is None:
        raise EnvironmentProblem("le serveur Prefect ne répond pas", "make up, puis make undeploy")
    prepare_environment()
    from prefect.client.orchestration import get_client

    from atelier.prefect.session import connected
    from atelier.stack.deployments import remove_workshop_deployments

    with connected(server, results()), get_client(sync_client=True) as client:
        removal = remove_workshop_deployments(client)
    for name in removal.names:
        print(f"  {name} : retiré")
    print("Plus rien ne partira tout seul." if removal.names else "Rien à retirer.")
    if removal.others:
        plural = "s" if removal.others > 1 else ""
        print(f"Laissé à d'autres, sur ce serveur : {removal.others} deployment{plural} de l'atelier.")
    return 0


@_command("doctor", "chercher ce qui ne va pas, et dire comment le réparer")
def _doctor(context: typer.Context) -> int:
    from atelier.stack import doctor

    problems = 0
    for finding in doctor.examine(context.obj):
        problems += bool(finding.repair)
        print(f"  {'problème' if finding.repair else 'ok':<10}{finding.text}", flush=True)
        if finding.repair:
            print(f"  {'':<10}pour réparer : {finding.repair}", flush=True)
    count = f"{problems} problème{'s' if problems > 1 else ''}. Réparez le premier, puis relancez : make doctor"
    print(typed_here(f"\n{count if problems else 'Tout va bien.'}"))
    return 1 if problems else 0


@_command("run", "faire tourner un service au premier plan, comme dans un conteneur")
def _run(context: typer.Context, name: ServiceName) -> int:
    return context.obj.run(_known(context.obj, name))


def _known(stack: Stack, name: str) -> Service:
    if name not in stack.services:
        known = ", ".join(stack.services)
        raise UnknownServiceError(f"« {name} » n'est pas un service. Ceux de l'atelier : {known}.")
    return stack.services[name]


def _line(status: Status, text: str) -> str:
    note = f" ({status.note})" if status.note else ""
    return f"  {status.service.title:<8} {shown_address(status.service):<24} {text}{note}"


def _described(stack: Stack, status: Status) -> str:
    place = stack.elsewhere(status.service)
    if status.state is State.STOPPED and place:
        return f"ne répond pas encore, {place}"
    if status.state is not State.READY:
        return status.state.value
    return "en marche" if status.process else f"en marche, {place or 'lancé par un autre programme'}"


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


if __name__ == "__main__":
    sys.exit(main())
