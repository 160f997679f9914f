"""Ce qu'est un service : une déclaration, et rien de ce qu'on en sait n'est ailleurs."""

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from atelier.machine.addresses import Address
from atelier.machine.packages import installed_version


@dataclass(frozen=True)
class Plan:
    """De quoi lancer un service : les arguments de Python, ses réglages, son dossier et les fichiers qu'il y lit."""

    arguments: list[str]
    settings: dict[str, str]
    home: Path
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """Ce qu'un service a répondu ; `note` dit ce qui ne va pas sans l'empêcher de servir."""

    note: str = ""


# Combien de temps attendre, en secondes, et depuis quand le nôtre tourne (rien : ce n'est pas le nôtre).
Ask = Callable[[float, float | None], Answer | None]


@dataclass(frozen=True)
class Service:
    """Un service de l'atelier.

    `name` est ce que l'on tape, `title` ce que l'on lit, `package` le paquet dont la version compte. `plan` dit comment
    le lancer, `ask` lui demande s'il sert (rien : il ne sert pas). `address` est la sienne ; s'il n'écoute pas, `label`
    est montré à la place. `needs` nomme les services sans lesquels il ne sert à rien : il démarre après eux et s'arrête
    avant, en douceur pendant `stop_seconds`. `replaces` nomme les processus qui en tenaient lieu avant lui.
    """

    name: str
    title: str
    package: str
    plan: Callable[[], Plan]
    ask: Ask
    address: Address | None = None
    label: str = ""
    needs: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    stop_seconds: float = 5.0

    def answer(self, timeout: float = 2.0, since: float | None = None) -> Answer | None:
        """Sa réponse, ou rien s'il ne sert pas ; `since` est l'heure où le nôtre a démarré."""
        return self.ask(timeout, since)

    def fingerprint(self) -> str:
        """Change quand le service doit être relancé : d'autres réglages, une autre version."""
        plan, version = self.plan(), installed_version(self.package)
        parts = [platform.python_version(), version, plan.arguments, plan.settings, sorted(plan.files.items())]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
