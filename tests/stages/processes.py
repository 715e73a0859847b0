"""Several processes that run one stage program together, as torchrun would start them, but sooner.

They are forked from one process that has imported the large libraries already; importing these anew for each process
takes longer than the stages. What torchrun tells each of its processes, these are told too.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from contextlib import suppress
from itertools import count
from multiprocessing import get_context
from pathlib import Path

from hounsfield.core.training.state import TrainingState

TURN = count()
PATIENCE = 600  # seconds; what takes longer hangs, on a busy computer, too
LIBRARIES = ["torch", "timm", "albumentations", "jsonargparse", "pandas", "pyarrow.parquet", "tensorboard", "pytest"]


def run_together(
    processes: int, program: str, *arguments: object, log: Path, kill: tuple[int, int] | None = None
) -> list[float]:
    """Run a program in so many processes. Returns the loss of every training step, as the first process has it.

    kill: (rank, steps): this process is killed after so many steps, and the others must end by themselves.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    several = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    if processes > 1:
        # without the first a process takes itself for the only one
        several |= {"TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_RESTART_COUNT": "0"}
    started = []
    for rank in range(processes):
        place = {**several, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        steps = kill[1] if kill is not None and kill[0] == rank else None
        values = (program, [str(value) for value in arguments], place, log, steps)
        started.append(context.Process(target=run_rank, args=values))
        started[-1].start()
    end = time.monotonic() + PATIENCE
    for process in started:
        process.join(max(0.0, end - time.monotonic()))
        process.kill()  # one that hangs; the others have ended
        process.join()
    codes = [process.exitcode for process in started]
    said = "\n".join(log.with_suffix(f".{rank}").read_text()[-2000:] for rank in range(processes))
    if kill is None:
        assert codes == [0] * processes, said
    else:
        assert codes == [-signal.SIGKILL if rank == kill[0] else 1 for rank in range(processes)], said
    return json.loads(log.read_text()) if kill is None else []


def run_rank(program: str, arguments: list[str], place: dict[str, str], log: Path, kill_after: int | None) -> None:
    """One process; what it says goes to a file of its own beside `log`, the losses of the first one to `log`."""
    from programs import run_program

    said = os.open(log.with_suffix(f".{place['RANK']}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ.update(place)
    losses = record_losses()
    if kill_after is not None:
        kill_after_steps(kill_after)
    run_program(program, *arguments)
    if place["RANK"] == "0":
        log.write_text(json.dumps(losses))


def record_losses() -> list[float]:
    """The list to which this process will add the loss of every step that it takes."""
    losses, update = [], TrainingState.update

    def update_and_record(state: TrainingState, loss: float) -> None:
        losses.append(loss)
        update(state, loss)

    TrainingState.update = update_and_record
    return losses


def kill_after_steps(steps: int) -> None:
    """Let this process kill itself at the end of a step, after all processes have summed the next one's gradients."""
    done, update = [0], TrainingState.update

    def update_or_die(state: TrainingState, loss: float) -> None:
        if done[0] == steps:
            os.kill(os.getpid(), signal.SIGKILL)
        done[0] += 1
        update(state, loss)

    TrainingState.update = update_or_die


def free_port() -> int:
    """A port of this machine that nobody listens to, and that nobody else is given before it is bound.

    A port that the system gives goes to the next who asks as soon as it is closed here. These lie below all that it
    gives (from 32768 on), and each process that runs tests has ten of its own, which it takes in turn.
    """
    first = 10_000 + 10 * (os.getpid() % 2_000)
    while True:
        port = first + next(TURN) % 10
        with socket.socket() as listener, suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as torch does: one that was used just now
            listener.bind(("127.0.0.1", port))
            return port
