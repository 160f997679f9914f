"""Les images des interfaces, que montrent les deux README ; `make screenshots` les refait."""

import re

import pytest
from PIL import Image

from tests.helpers.katas import ROOT
from tools.screenshots import IMAGES, SHOWN

TOOLS = ("mlflow", "prefect", "dagster")
HEAVIEST = 150_000


@pytest.mark.parametrize("tool", TOOLS)
def test_image_is_light_and_readable(tool: str) -> None:
    """Une image par interface, assez grande pour se lire, assez petite pour un dépôt."""
    file = IMAGES / f"{tool}.webp"

    assert file.stat().st_size < HEAVIEST
    with Image.open(file) as image:
        assert SHOWN == image.size


@pytest.mark.parametrize("page", ["README.md", "README.en.md"])
def test_readme_shows_every_interface(page: str) -> None:
    """Les deux README les montrent toutes, et disent ce qu'on y voit à qui ne les voit pas."""
    shown = re.findall(
        r"!\[(.{20,})\]\(docs/images/(\w+)\.webp\)", (ROOT / page).read_text(encoding="utf-8").replace("| !", "\n!")
    )

    assert list(TOOLS) == [tool for _, tool in shown]
