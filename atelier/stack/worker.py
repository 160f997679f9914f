"""Le worker de l'atelier : sans lui, un test marqué `stack` attendrait un run que personne ne prendra."""

from atelier.machine.errors import EnvironmentProblem
from atelier.machine.until import until
from atelier.prefect.settings import POOL
from atelier.stack.lifecycle import State
from atelier.stack.services import workshop

# Il donne signe de vie toutes les cinq secondes, parfois moins sur une machine chargée.
PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.5


def require_worker() -> None:
    """Lève `EnvironmentProblem` si aucun worker n'attend de travail ; patiente s'il démarre ou ne répond plus."""
    for _ in until(PATIENCE_SECONDS, POLL_SECONDS):
        state = _state()
        if state is State.READY:
            return
        if state not in (State.STARTING, State.SICK):
            break
    problem = f"aucun worker n'attend de travail dans le work pool « {POOL} » (worker {state.value})"
    raise EnvironmentProblem(problem, "make up")


def _state() -> State:
    (status,) = workshop().observe(["worker"])
    return status.state
