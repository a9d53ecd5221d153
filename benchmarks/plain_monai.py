"""What a user would do in PyTorch: MONAI's transforms with its persistent cache, and ctexp's default network.

    pip install torch monai
    python -m benchmarks.plain_monai [--epochs 15] [--cache FOLDER] < SCANS.json

Scans are read, turned to RAS, windowed and averaged down to 64x64x32 by MONAI, kept by `PersistentDataset`, and turned
in plane by up to 15 degrees while training. Network, first weights, batches, optimiser, schedule and the statistics of
batch normalisation, measured afresh on 32 training scans after each epoch, are those of ctexp's preset `whole`, whose
input this is; MONAI has nothing like the box round the lungs of `default`. Classes are not weighed: the synthetic ones
are of one size. The scans come as JSON on standard input: {"train": [[path, label], ...], "validation": ...}. Prints a
line of JSON an epoch.
"""

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from monai.data import DataLoader, PersistentDataset
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    EnsureTyped,
    LoadImaged,
    Orientationd,
    RandRotated,
    Resized,
    ScaleIntensityRanged,
)
from sklearn.metrics import roc_auc_score
from torch import nn

SHAPE, FILTERS, BATCH, RATE = (64, 64, 32), (16, 32, 64, 128), 8, 2e-3


def prepared(scans: list, folder: Path, *, augment: bool) -> PersistentDataset:
    """Scans through MONAI's transforms; all but the random turn is kept on disk."""
    steps = [
        LoadImaged("image", reader="NibabelReader"),
        EnsureChannelFirstd("image"),
        Orientationd("image", axcodes="RAS", labels=None),
        ScaleIntensityRanged("image", a_min=-1000, a_max=400, b_min=0.0, b_max=1.0, clip=True),
        Resized("image", spatial_size=SHAPE, mode="area"),
        EnsureTyped("image", dtype=torch.float32, track_meta=False),
    ]
    if augment:
        # MONAI's z turns the first two of the three axes: in plane.
        steps.append(RandRotated("image", range_z=math.radians(15), prob=1.0, padding_mode="zeros"))
    return PersistentDataset([{"image": path, "label": label} for path, label in scans], Compose(steps), folder)


class Network(nn.Module):
    """Four blocks of convolution, ReLU, pooling and batch normalisation, a mean, a dense layer, a logit."""

    def __init__(self) -> None:
        super().__init__()
        blocks, before = [], 1
        for filters in FILTERS:
            # PyTorch's momentum is the share of the new statistics, Keras's that of the old.
            blocks += [nn.Conv3d(before, filters, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2)]
            blocks += [nn.BatchNorm3d(filters, eps=1e-3, momentum=0.1)]
            before = filters
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Linear(before, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 1))
        for one in self.modules():
            if isinstance(one, nn.Conv3d | nn.Linear):
                nn.init.xavier_uniform_(one.weight)  # Keras's default
                nn.init.zeros_(one.bias)

    def forward(self, scans: torch.Tensor) -> torch.Tensor:
        """Give the logits, shape (n,), of scans, shape (n, 1, x, y, z)."""
        return self.head(self.blocks(scans).mean(dim=(2, 3, 4))).squeeze(1)


def rate_at(step: int, steps: int, epochs: int) -> float:
    """Give the share of the highest learning rate: an epoch of warm-up from a tenth, then half a cosine to zero."""
    if step < steps:
        return 0.1 + 0.9 * step / steps
    return 0.5 * (1 + math.cos(math.pi * (step - steps) / max(1, (epochs - 1) * steps)))


def recalibrate(network: Network, scans: PersistentDataset) -> None:
    """Measure batch normalisation's statistics afresh, as `ctexp.learning.recalibration` does."""
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm3d)]
    for one in norms:
        one.reset_running_stats()
        one.momentum = None  # the mean over all batches
    network.train()
    chosen = np.random.default_rng(0).permutation(len(scans))[:32]
    with torch.no_grad():
        for start in range(0, len(chosen) - BATCH + 1, BATCH):
            network(torch.stack([scans[int(number)]["image"] for number in chosen[start : start + BATCH]]))
    for one in norms:
        one.momentum = 0.1


def validation_auc(network: Network, loader: DataLoader) -> float:
    """Ask the network about the validation scans."""
    network.eval()
    with torch.no_grad():
        pairs = [(network(batch["image"]).numpy(), batch["label"].numpy()) for batch in loader]
    logits, labels = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return float(roc_auc_score(labels, logits))


def main() -> None:
    """Prepare and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--cache", type=Path, default=Path("monai-cache"))
    wished = parser.parse_args()
    scans = json.load(sys.stdin)
    torch.manual_seed(0)
    cores = os.cpu_count() or 1
    train = prepared(scans["train"], wished.cache, augment=True)
    plain = prepared(scans["train"], wished.cache, augment=False)  # the same files in the cache
    validation = prepared(scans["validation"], wished.cache, augment=False)
    for one in (plain, validation):
        for _ in DataLoader(one, batch_size=BATCH, num_workers=cores):  # fills the cache with all cores
            pass
    print(json.dumps({"prepared": True}), flush=True)
    # One process turns scans while the others compute: with more, the step loses its cores.
    feed = DataLoader(train, batch_size=BATCH, shuffle=True, drop_last=True, num_workers=1, persistent_workers=True)
    asked = DataLoader(validation, batch_size=BATCH)
    network = Network().to(memory_format=torch.channels_last_3d)  # a tenth to a quarter faster on a CPU
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE, eps=1e-7)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_at(step, len(feed), wished.epochs))
    loss = nn.BCEWithLogitsLoss()
    for epoch in range(1, wished.epochs + 1):
        network.train()
        for batch in feed:
            optimiser.zero_grad()
            images = batch["image"].contiguous(memory_format=torch.channels_last_3d)
            loss(network(images), batch["label"].float()).backward()
            optimiser.step()
            schedule.step()
        recalibrate(network, plain)
        auc = validation_auc(network, asked)
        print(json.dumps({"epoch": epoch, "seconds": time.monotonic(), "val_auc": auc}), flush=True)


if __name__ == "__main__":
    main()
