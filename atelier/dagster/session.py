"""De quoi lancer un kata Dagster à la main, et n'attendre que son run."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from atelier.dagster.settings import home, prepare_environment
from atelier.sandbox.mistakes import StudentMistake

if TYPE_CHECKING:
    import dagster as dg


def preload() -> None:
    """Fait d'avance ce qui ne coûte qu'au premier run : imports, schémas, grammaires."""
    import dagster as dg

    from atelier.dagster.probe import Probe

    @dg.asset
    def first() -> None:
        pass

    with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral(tempdir=folder) as instance:
        Probe(instance, Path(folder)).materialize(dg.Definitions(assets=[first]))


def materialize(defs: "dg.Definitions", *assets: str, config: Mapping[str, Mapping[str, object]] | None = None) -> None:
    """Pour lancer un kata à la main : matérialise ces assets, ou tous, puis raconte ce qui s'est passé.

    Runs et assets vont là où l'interface que lance `make up` les cherche.
    """
    prepare_environment()
    from dagster import DagsterInstance

    from atelier.dagster.probe import Probe

    (home() / "dagster.yaml").touch()  # sans lui, Dagster explique sur deux lignes qu'il s'en passe
    chosen = "".join(f", avec {asset} : {values}" for asset, values in (config or {}).items())
    print(f"Matérialiser {', '.join(assets) or 'tout'}{chosen}", flush=True)
    with DagsterInstance.local_temp(str(home()), overrides={"telemetry": {"enabled": False}}) as instance:
        try:
            record = Probe(instance, Path(instance.storage_directory())).materialize(defs, *assets, config=config)
        except StudentMistake as mistake:
            raise SystemExit(f"  {mistake}") from mistake
    print(f"{record.table()}\n", flush=True)
