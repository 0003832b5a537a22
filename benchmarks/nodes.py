"""Losses of 20 steps in one process and in two nodes, which may share one GPU.

python -m benchmarks.nodes --device cuda

Each node is a process of its own, as on machines of their own; NCCL refuses two processes on a
GPU of one machine, so that each gets another name of its host. All is float32, and the head has
dropout: what differs is the order of sums.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, BATCH, SIZE = 640, 32, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)  # in a process of its own
    given = parser.parse_args()
    if given.out:
        work(given.device, given.images, given.out)
        return
    with tempfile.TemporaryDirectory() as name:
        found = [run(nodes, given, Path(name)) for nodes in (1, 2)]
    one, two = (np.array(each["losses"]) for each in found)
    print(f"backend {found[1]['backend']}, {len(one)} steps, mAP on validation, before and after:")
    for each in found:
        print(f"  processes: {each['world']}: {', '.join(f'{v:.3f}' for v in each['mAP'])}")
    apart = np.abs(two - one) / one
    print(f"losses apart, relative: {apart[0]:.1e} at the first step, {apart.max():.1e} at most")


def run(nodes: int, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train in so many processes; return what the first has found."""
    command = [sys.executable, "-m", "benchmarks.nodes", "--device", given.device]
    command += ["--images", str(given.images), "--out", str(folder / str(nodes))]
    common = {"NUM_NODES": str(nodes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    common |= {"IMLGCN_PROCESSES_PER_NODE": "1", "LOCAL_RANK": "0"}
    common |= {"NCCL_SOCKET_IFNAME": "lo", "GLOO_SOCKET_IFNAME": "lo"}
    processes = []
    for rank in map(str, range(nodes)):
        own = {"RANK": rank, "NODE_RANK": rank, "NCCL_HOSTID": f"node {rank}"}
        processes.append(subprocess.Popen(command, env=os.environ | common | own))
    if any(process.wait() for process in processes):
        raise SystemExit("a process has failed; its message stands above")
    result: dict[str, Any] = json.loads((folder / f"{nodes}.json").read_text())
    return result


def work(device: str, images: int, out: Path) -> None:
    """Fine-tune in this process, with the others that its environment names."""
    import torch
    from torch import distributed

    from imlgcn.config import EmbeddingSettings, FineTuning, LossSettings
    from imlgcn.data.dataset import load_dataset
    from imlgcn.models import MultiLabelClassifier, create_backbone, create_head
    from imlgcn.training import fine_tune as tuning
    from imlgcn.training import loop, ranks, tuning_state
    from imlgcn.training.checkpoint import Checkpoints
    from imlgcn.training.extract import extract_features
    from imlgcn.training.layout import Layout
    from imlgcn.training.sharing import count_labels
    from imlgcn.training.stages import embed_labels

    ranks.precision_on = loop.precision_on = lambda device: "32-true"  # type: ignore[assignment]
    torch.backends.cudnn.allow_tf32 = False
    losses: list[float] = []
    rows: list[dict[str, Any]] = []

    class Keeper(tuning_state.Keeper):
        def __call__(self, images: int) -> None:
            losses.append(self.state.done.loss)
            super().__call__(images)

    tuning.Keeper = Keeper  # type: ignore[misc]
    with ranks.joined(Layout.of()) as here:
        here.connect(device)
        backbone = create_backbone("efficientnet_lite0", size=SIZE)
        data = load_dataset("openclipart")
        features = extract_features(backbone, data, device=here.device(device), ranks=here)
        train = features.split("train")[1]
        context = count_labels(data.names, train.dataset.targets, here)
        context = embed_labels(context, train, EmbeddingSettings(), here)
        torch.manual_seed(1)
        head = create_head("iml_gcn", backbone.out_channels, context)
        tuning.fine_tune(
            MultiLabelClassifier(backbone, head),
            train.dataset.select(range(images)),
            features.split("val")[0],
            settings=FineTuning(epochs=1, batch_size=BATCH, learning_rate=1e-4),
            loss=LossSettings(),
            seed=3,
            fabric=here.fabric or loop.create_fabric(device),
            checkpoints=Checkpoints(out.parent / f"{out.name}-saved", "tune"),
            log=rows.append,
            ranks=here,
        )
        if here.first:
            backend = distributed.get_backend() if here.world > 1 else ""
            found = {"losses": losses, "mAP": [row["val_mAP"] for row in rows]}
            text = json.dumps({**found, "world": here.world, "backend": backend})
            out.with_name(f"{out.name}.json").write_text(text)
        here.wait()


if __name__ == "__main__":
    main()
