"""Ce que pytest ne promet pas, et dont l'atelier se sert : si cela change, c'est ici qu'on le voit d'abord."""

import pytest
from _pytest.assertion import util

from atelier.feedback import pytest_internals


def test_diff_is_suspended_then_given_back(pytestconfig: pytest.Config) -> None:
    """Dans le bloc, pytest n'explique plus une comparaison ; ensuite, si."""
    before = util._reprcompare
    with pytest_internals.without_diff():
        inside = util._reprcompare, util._config

    assert (None, None) == inside
    assert (before, pytestconfig) == (util._reprcompare, util._config)
    assert before is not None


def test_summary_is_silenced(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Le résumé court se règle par les lettres que garde le terminal."""
    terminal = pytestconfig.pluginmanager.getplugin("terminalreporter")
    assert terminal is not None
    monkeypatch.setattr(terminal, "reportchars", "fE")
    pytest_internals.silence_short_summary(pytestconfig)

    assert "" == terminal.reportchars


def test_tracebacks_are_skipped(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest ne montre alors d'une erreur que son message : aucun fichier n'est relu."""
    monkeypatch.setattr(pytestconfig.option, "tbstyle", "auto")
    pytest_internals.skip_tracebacks(pytestconfig)
    with pytest.raises(ZeroDivisionError) as raised:
        _ = 1 / 0

    assert "division by zero" == str(raised.getrepr(style=pytestconfig.option.tbstyle)).strip()


def test_streams_are_released(pytestconfig: pytest.Config, capfd: pytest.CaptureFixture[str]) -> None:
    """La capture se suspend, et reprend : un débogueur lit le clavier entre les deux."""
    manager = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert manager is not None
    with capfd.disabled():
        pytest_internals.release_streams(pytestconfig)
        suspended = manager._global_capturing is None or manager._global_capturing._state == "suspended"
        manager.resume_global_capture()

    assert suspended


def test_verdict_is_a_representation() -> None:
    """Un rapport accepte ce qui sait s'écrire dans un terminal."""
    assert hasattr(pytest_internals.TerminalRepr, "toterminal")
    assert hasattr(pytest_internals.TerminalWriter, "line")
