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
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from atelier.machine.paths import ROOT
from tests.helpers import katas
from tools.mutations import Mutant, mutants

THRESHOLD = 0.95
WORKERS = 2
# Deux katas à la fois sur la machine : un délai dépassé ne tuerait pas le mutant, il mentirait.
LONGER = ("-o", "kata_deadline=30")
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


def complaints(known: Iterable[str], killed: Mapping[str, bool], reasons: Iterable[str]) -> dict[str, list[str]]:
    """Ce qu'il y a à redire des mutants joués : ceux qui survivent sans raison, et les raisons qui ne servent plus."""
    return {
        "survit": [name for name, dead in killed.items() if not dead and name not in reasons],
        "expliqué, mais tué": [name for name, dead in killed.items() if dead and name in reasons],
        "expliqué, mais n'existe plus": sorted(set(reasons) - set(known)),
    }


def _score(folder: str, most: int | None) -> bool:
    module, known = katas.module_name(folder), mutants_of(folder)
    candidates = _sample(known, most)
    with ThreadPoolExecutor(WORKERS) as pool:
        verdicts = pool.map(lambda mutant: _is_killed(folder, module, mutant), candidates)
        killed = dict(zip((mutant.name for mutant in candidates), verdicts, strict=True))
    found = complaints([mutant.name for mutant in known], killed, explained().get(folder, {}))
    survivors, useless_reasons = len(found["survit"]), sum(map(len, found.values())) - len(found["survit"])
    rate = 1 - survivors / max(len(candidates), 1)
    print(
        f"{folder} : {sum(killed.values())} mutants tués sur {len(killed)}, "
        f"{len(killed) - sum(killed.values()) - survivors} expliqués, {survivors} qui survivent ({rate:.0%})",
        flush=True,
    )
    for told, names in found.items():
        for name in names:
            print(f"  {told} : {name}", flush=True)
    # Dans un petit échantillon, un seul mutant équivalent à la solution passerait déjà le seuil.
    is_enough = rate >= THRESHOLD or (most is not None and survivors == 1)
    return bool(candidates) and is_enough and not useless_reasons


def _sample(candidates: list[Mutant], most: int | None) -> list[Mutant]:
    step = max(1, -(-len(candidates) // most)) if most else 1
    return candidates[::step]


def _is_killed(folder: str, module: str, mutant: Mutant) -> bool:
    """Un processus par mutant, que prête le processus préchauffé : aucun ne dépend de ses voisins."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory, folder, f"{module}.py")
        target.parent.mkdir()
        target.write_text(mutant.source, encoding="utf-8")
        options = ("-m", "not stack and not slow", "--impl", directory, "-x", *LONGER)
        run = katas.pytest_katas(katas.test_file(folder), *options)
    if run.code not in (0, 1) or "environnement en panne" in run.output:
        raise SystemExit(f"{folder} : pytest n'a pas pu juger un mutant : {mutant.name}\n{run.output}")
    return run.code == 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
