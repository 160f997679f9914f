"""Abîme les solutions de mille petites façons : les tests des katas doivent le voir.

`python -m tools.mutants [NN_slug …]` : rend 1 si moins de 95 % des mutants d'un kata sont tués ou expliqués. Les outils
généraux (mutmut, cosmic-ray) mutent un paquet importé, et ses opérateurs ; ici le module se charge par `--impl`, seul
compte ce que l'étudiant écrit, entre les marques de la solution, et on l'abîme aussi comme un étudiant se trompe.

Un mutant qui survit et que l'on garde a sa raison dans `tests/survivors.toml`.
"""

import argparse
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from atelier.machine.paths import ROOT
from tests.helpers import katas
from tools.mutations import Mutant, mutants

THRESHOLD = 0.95
WORKERS = 2
SURVIVORS = ROOT / "tests" / "survivors.toml"


def main(arguments: Sequence[str]) -> int:
    """Joue les mutants des katas demandés ; rend 1 si trop survivent."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description="Les tests voient-ils les erreurs ?")
    parser.add_argument("katas", nargs="*", metavar="NN_slug", help="les katas à juger (tous par défaut)")
    parser.add_argument("--most", type=int, metavar="N", help="N mutants par kata, pris à intervalles réguliers")
    options = parser.parse_args(arguments)
    results = [_score(folder, options.most) for folder in (options.katas or katas.kata_folders())]
    return 0 if all(results) else 1


def mutants_of(folder: str) -> list[Mutant]:
    """Les mutants de la solution d'un kata."""
    files = (katas.solution_file(folder), katas.test_file(folder).with_name("README.md"), katas.test_file(folder))
    return mutants(*(file.read_text(encoding="utf-8") for file in files))


def explained() -> dict[str, dict[str, str]]:
    """Pour chaque kata, les mutants que l'on garde vivants, et pourquoi."""
    return tomllib.loads(SURVIVORS.read_text(encoding="utf-8"))


def _score(folder: str, most: int | None) -> bool:
    module, reasons, known = katas.module_name(folder), explained().get(folder, {}), mutants_of(folder)
    candidates = _sample(known, most)
    with ThreadPoolExecutor(WORKERS) as pool:
        killed = list(pool.map(lambda mutant: _is_killed(folder, module, mutant), candidates))
    alive = [mutant.name for mutant, dead in zip(candidates, killed, strict=True) if not dead]
    survivors = [name for name in alive if name not in reasons]
    stale = [mutant.name for mutant, dead in zip(candidates, killed, strict=True) if dead and mutant.name in reasons]
    gone = sorted(reasons.keys() - {mutant.name for mutant in known})
    rate = 1 - len(survivors) / max(len(candidates), 1)
    print(
        f"{folder} : {len(candidates) - len(alive)} mutants tués sur {len(candidates)}, "
        f"{len(alive) - len(survivors)} expliqués, {len(survivors)} qui survivent ({rate:.0%})",
        flush=True,
    )
    for told, names in (("survit", survivors), ("expliqué, mais tué", stale), ("expliqué, mais n'existe plus", gone)):
        for name in names:
            print(f"  {told} : {name}", flush=True)
    # Dans un petit échantillon, un seul mutant équivalent à la solution passerait déjà le seuil.
    is_enough = rate >= THRESHOLD or (most is not None and len(survivors) == 1)
    return bool(candidates) and is_enough and not stale and not gone


def _sample(candidates: list[Mutant], most: int | None) -> list[Mutant]:
    step = max(1, -(-len(candidates) // most)) if most else 1
    return candidates[::step]


def _is_killed(folder: str, module: str, mutant: Mutant) -> bool:
    """Un processus par mutant, que prête le processus préchauffé : aucun ne dépend de ses voisins."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory, folder, f"{module}.py")
        target.parent.mkdir()
        target.write_text(mutant.source, encoding="utf-8")
        run = katas.pytest_katas(katas.test_file(folder), "-m", "not stack and not slow", "--impl", directory, "-x")
    if run.code not in (0, 1) or "environnement en panne" in run.output:
        raise SystemExit(f"{folder} : pytest n'a pas pu juger un mutant : {mutant.name}\n{run.output}")
    return run.code == 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
