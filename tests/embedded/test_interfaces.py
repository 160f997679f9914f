"""Les mêmes interfaces, sans Docker : `make up`, un vrai navigateur."""

import pytest

from tests.helpers.stack import Stack
from tools import browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_interfaces_open_without_docker(chromium: str, embedded: Stack) -> None:
    """Les trois interfaces s'affichent, sans requête en échec ni appel au-dehors."""
    hosts = [f"127.0.0.1:{port}" for port in embedded.ports.values()]

    reports = browser.visit(browser.interfaces(*[f"http://{host}" for host in hosts]))

    assert [[]] * 3 == [report.failures for report in reports]
    assert [[host] for host in hosts] == [report.hosts for report in reports]
