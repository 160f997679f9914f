"""Attendre quelque chose, mais pas pour toujours."""

from collections.abc import Iterator

# Pris au départ : sous l'horloge simulée des katas, `time.sleep` n'attend plus.
from time import monotonic, sleep


def until(seconds: float, every: float = 0.05) -> Iterator[None]:
    """Un tour de boucle tout de suite, puis un toutes les `every` secondes, jusqu'à ce que `seconds` soient passées.

    Le dernier commence après l'échéance : ce qui arrive pendant une pause n'est pas manqué. À mettre dans un `for`,
    dont on sort quand ce que l'on attendait est là ; la suite, ou son `else`, dit ce qui a manqué.
    """
    deadline = monotonic() + seconds
    while True:
        yield
        if monotonic() >= deadline:
            return
        sleep(every)
