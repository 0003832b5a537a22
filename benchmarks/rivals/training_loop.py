"""Fine-tuning as people write it: timm, a DataLoader of two workers, AdamW; prints images/s.

python -m benchmarks.rivals.training_loop --images 256 --size 160 [--channels-last]
"""

from __future__ import annotations

import argparse
import time

import timm
import torch
from PIL import Image
from timm.utils.model_ema import ModelEmaV3
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from imlgcn.data.dataset import load_dataset


class Images(Dataset):
    """Augmented images of Open Clip Art and their targets."""

    def __init__(self, number: int, size: int) -> None:
        train = load_dataset("openclipart").split("train")
        self.paths, self.targets = train.paths[:number], train.targets[:number].astype("float32")
        self.transform = transforms.Compose(
            [
                transforms.Resize((size, size), transforms.InterpolationMode.BICUBIC),
                transforms.RandAugment(2, 9),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * 3, [0.5] * 3),
                transforms.RandomErasing(),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int):
        return self.transform(Image.open(self.paths[row]).convert("RGB")), self.targets[row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--channels-last", action="store_true")
    arguments = parser.parse_args()
    layout = torch.channels_last if arguments.channels_last else torch.contiguous_format

    data = Images(arguments.images, arguments.size)
    loader = DataLoader(data, batch_size=32, shuffle=True, num_workers=2)
    model = timm.create_model("tf_efficientnet_lite0", num_classes=data.targets.shape[1])
    model = model.to(memory_format=layout)
    average = ModelEmaV3(model, decay=0.9997)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-4, total_steps=len(loader))
    criterion = torch.nn.BCEWithLogitsLoss()

    started = time.perf_counter()
    model.train()
    for images, targets in loader:
        loss = criterion(model(images.to(memory_format=layout)), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        schedule.step()
        average.update(model)
        loss.item()
    print(arguments.images / (time.perf_counter() - started))


if __name__ == "__main__":
    main()
