"""Le squelette des générateurs : produire des fichiers à partir de `solutions/`, sans écraser le travail de personne.

Un générateur dit ce qu'il veut écrire et comment reconnaître ce qu'il a déjà écrit ; le reste est le même pour tous :
vérifier, créer, mettre à jour, refuser, ou remplacer en gardant une copie.
"""

import argparse
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from enum import Enum, IntEnum
from pathlib import Path

from atelier.exercise.reading import StubError
from atelier.machine.files import back_up, write_atomically
from atelier.machine.paths import ROOT


class Code(IntEnum):
    """Le code de retour d'un générateur."""

    GOOD = 0
    REFUSED = 1
    UNUSABLE = 2


class State(Enum):
    """Où en est un fichier à produire."""

    MISSING = "absent"
    FRESH = "à jour"
    OLD = "périmé"
    TOUCHED = "modifié à la main"


class Product(ABC):
    """Un fichier à produire : `name`, tel qu'on le dit, `file`, et `command`, qui le refait."""

    name: str
    file: Path
    command: str

    @abstractmethod
    def make(self) -> str:
        """Le texte à écrire. Lève `StubError` si sa source est inutilisable."""

    @abstractmethod
    def state(self, wanted: str) -> State:
        """Où en est le fichier, s'il doit contenir `wanted`."""

    def is_recorded(self, wanted: str) -> bool:
        """Dit si ce texte, une fois écrit, serait reconnu comme produit."""
        return True

    def record(self, wanted: str) -> None:
        """Retient que ce texte est produit ; appelé avant de l'écrire."""
        return


def parser(prog: str, description: str) -> argparse.ArgumentParser:
    """Les options de tous les générateurs : `--force`, `--check`, `--root`."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--force", action="store_true", help="remplace aussi un fichier modifié, et en garde une copie")
    mode.add_argument("--check", action="store_true", help="n'écrit rien, signale ce qui n'est pas à jour")
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="la racine du dépôt")
    return parser


def generate(products: Callable[[], Iterable[Product]], options: argparse.Namespace) -> Code:
    """Écrit ou vérifie ces fichiers, une ligne pour chacun ; rend le plus grave de leurs codes."""
    try:
        return max((_process(product, options) for product in products()), default=Code.GOOD)
    except StubError as error:
        print(error, file=sys.stderr)
        return Code.UNUSABLE


def _process(product: Product, options: argparse.Namespace) -> Code:
    try:
        wanted = product.make()
        code, verdict = _check(product, wanted) if options.check else _update(product, wanted, force=options.force)
    except StubError as error:
        print(error, file=sys.stderr)
        return Code.UNUSABLE
    except OSError as error:
        print(f"{error.filename} : lecture ou écriture impossible ({error.strerror}).", file=sys.stderr)
        return Code.UNUSABLE
    print(f"{product.name} : {verdict}")
    return code


def _check(product: Product, wanted: str) -> tuple[Code, str]:
    state = product.state(wanted)
    if state is State.TOUCHED:
        abandon = f"`{product.command} ARGS=--force`"
        return Code.REFUSED, f"{state.value} : reportez ce changement dans solutions/, ou abandonnez-le : {abandon}"
    if state is not State.FRESH:
        return Code.REFUSED, f"{state.value} : lancez `{product.command}`"
    if not product.is_recorded(wanted):
        return Code.REFUSED, f"inconnu de l'historique : lancez `{product.command}`"
    return Code.GOOD, state.value


def _update(product: Product, wanted: str, *, force: bool) -> tuple[Code, str]:
    state = product.state(wanted)
    if state is State.TOUCHED and not force:
        return Code.REFUSED, "refusé : quelqu'un l'a modifié (--force le remplace, et en garde une copie)"
    # L'historique d'abord : un fichier écrit mais inconnu passerait pour le travail d'un étudiant.
    product.record(wanted)
    if state is State.FRESH:
        return Code.GOOD, state.value
    verdict = "créé" if state is State.MISSING else "mis à jour"
    if state is State.TOUCHED:
        verdict = f"remplacé, votre travail est copié dans {back_up(product.file).name}"
    write_atomically(product.file, wanted)
    return Code.GOOD, verdict
