"""L'atelier entier, sans conteneurs : lancé une fois par `make up` pour tous ces tests, et arrêté après le dernier."""

from collections.abc import Iterator

import pytest

from tests.helpers.stack import Stack, running_stack


@pytest.fixture(scope="package")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Un seul pour tous, que chacun laisse comme il l'a trouvé."""
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack
