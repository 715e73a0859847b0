"""What differs between a laptop's CPU, one GPU, and many processes on many nodes.

A program asks for its devices once; everything else it does is the same everywhere. Several processes are started by
torchrun, which tells each its rank; torch reads that itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from hounsfield.core.training.precision import Precision

# while the first process joins and digests many gigabytes of embeddings, the others wait
PATIENCE = timedelta(hours=2)


@dataclass(frozen=True)
class Devices:
    """This process's device and its place among the processes."""

    device: torch.device
    rank: int
    world: int
    half: torch.dtype | None  # what autocast computes in; None is float32 throughout

    @property
    def first(self) -> bool:
        """True in the one process that writes what all share."""
        return self.rank == 0

    @property
    def precision(self) -> str:
        """What networks compute in, by name."""
        return "float32" if self.half is None else str(self.half).removeprefix("torch.")

    @property
    def scales_gradients(self) -> bool:
        """True when gradients must be scaled because float16 would lose small ones."""
        return self.half is torch.float16

    def autocast(self) -> torch.autocast:
        """The context in which a forward pass runs."""
        return torch.autocast(self.device.type, dtype=self.half, enabled=self.half is not None)

    def place(self, network: nn.Module) -> nn.Module:
        """The network on this device, its weights in channels-last memory, which convolutions read fastest."""
        return network.to(self.device).to(memory_format=torch.channels_last)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model whose gradients are averaged over the processes; the model itself when there is one."""
        if self.world == 1:
            return model
        if self.device.type == "cuda":
            return DistributedDataParallel(model, device_ids=[self.device])
        parallel = DistributedDataParallel(model)
        parallel.register_comm_hook(None, lambda _, bucket: _average_one_by_one(bucket))
        return parallel

    def share_buffers(self, network: nn.Module) -> None:
        """Give every process the first one's running statistics, which are the ones that are saved."""
        if self.world > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)

    def barrier(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()

    def total(self, values: Tensor) -> Tensor:
        """The sum over the processes, in place; the same in each."""
        if self.world > 1:
            dist.all_reduce(values)
        return values


@contextmanager
def open_devices(precision: Precision, threads: int | None = None, *, backend: str | None = None) -> Iterator[Devices]:
    """Join the other processes if there are any, and take this process's device.

    precision: `auto` is bf16 where the hardware has it, else fp16 on a GPU, float32 on a CPU. threads: compute threads
    on a CPU; results are the same bit for bit only for the same number, and loader processes need cores too. backend:
    what carries sums between processes; None: NCCL on GPUs, gloo on CPUs. Gloo alone lets several share one GPU.
    """
    several = dist.is_available() and dist.is_torchelastic_launched()
    cuda = torch.cuda.is_available()
    if threads is not None:
        torch.set_num_threads(threads)
    if several:
        local_rank = dist.get_node_local_rank(fallback_rank=0)
        if cuda:
            torch.cuda.set_device(local_rank % torch.cuda.device_count())
        _join_the_others(backend or ("nccl" if cuda else "gloo"))
    try:
        device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
        yield Devices(
            device=device,
            rank=dist.get_rank() if several else 0,
            world=dist.get_world_size() if several else 1,
            half=_half(precision, cuda),
        )
    finally:
        if several:
            dist.destroy_process_group()


def _join_the_others(backend: str) -> None:
    """Form the group of processes in torchrun's store, whose port it has held since before they were started.

    Processes that are started again after a death meet below a name of their own: the store still has the addresses
    of those before them.
    """
    store, rank, world = next(dist.rendezvous("env://", timeout=PATIENCE))
    attempt = dist.PrefixStore(f"attempt {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    dist.init_process_group(backend, store=attempt, rank=rank, world_size=world, timeout=PATIENCE)


def _average_one_by_one(bucket: dist.GradBucket) -> Future[Tensor]:
    """Average each gradient over the processes by itself.

    Averaged together, a gradient's place among the others decides how a sum over three or more processes is rounded,
    and places change after a run's first step: one that goes on from a saved state would end otherwise.
    """
    bucket.buffer().div_(dist.get_world_size())
    sums = [dist.all_reduce(gradient, async_op=True).get_future() for gradient in bucket.gradients()]
    return torch.futures.collect_all(sums).then(lambda _: bucket.buffer())


def _half(precision: Precision, cuda: bool) -> torch.dtype | None:
    if precision == "auto":
        if not cuda:
            return None
        # Volta emulates bf16 slowly; from Ampere on it is native
        return torch.bfloat16 if torch.cuda.get_device_capability()[0] >= 8 else torch.float16
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
