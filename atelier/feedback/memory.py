"""Ce que l'atelier retient d'un lancement à l'autre : l'avancement et les indices donnés, dans le cache de pytest."""

from typing import Any

import pytest

Notes = dict[str, dict[str, int]]


class Memory:
    """Des notes par kata. Un cache abîmé ou désactivé se lit comme un cache vide."""

    def __init__(self, config: pytest.Config) -> None:
        self._cache: pytest.Cache | None = getattr(config, "cache", None)
        self._unsaved: dict[str, Notes] = {}

    def get(self, key: str) -> Notes:
        """Les notes gardées sous `key`, par kata."""
        saved: Any = self._cache.get(key, {}) if self._cache else self._unsaved.get(key, {})
        if not isinstance(saved, dict):
            return {}
        return {folder: _counts(notes) for folder, notes in saved.items() if isinstance(notes, dict)}

    def set(self, key: str, notes: Notes) -> None:
        """Garde ces notes."""
        if self._cache:
            self._cache.set(key, notes)
        else:
            self._unsaved[key] = notes


def _counts(notes: dict[str, Any]) -> dict[str, int]:
    return {name: value for name, value in notes.items() if isinstance(value, int) and value >= 0}
