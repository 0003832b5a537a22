"""Tag a folder with timm and a DataLoader, as most scripts do it.

python -m benchmarks.rivals.eager FOLDER out.csv --model tf_efficientnet_lite0 --channels-last
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch.utils.data import DataLoader, Dataset


class ImageFolder(Dataset):
    def __init__(self, folder: Path, transform) -> None:
        self.paths = sorted(folder.glob("*.jpg"))
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int):
        image = Image.open(self.paths[index]).convert("RGB")
        return self.transform(image), str(self.paths[index])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--labels", type=int, default=38)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()

    model = timm.create_model(options.model, pretrained=False, num_classes=options.labels).eval()
    config = resolve_data_config(model=model)
    config |= {"input_size": (3, options.size, options.size), "crop_pct": 1.0}
    dataset = ImageFolder(options.folder, create_transform(**config))
    loader = DataLoader(dataset, batch_size=options.batch_size, num_workers=options.workers)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    model = model.to(memory_format=layout)
    if options.compile:
        model = torch.compile(model)
    names = [f"label {number}" for number in range(options.labels)]

    started = time.perf_counter()
    with torch.inference_mode(), options.out.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("image", "label", "probability"))
        for images, paths in loader:
            scores = model(images.to(memory_format=layout)).sigmoid()
            for path, row in zip(paths, scores, strict=True):
                for name, score in zip(names, row.tolist(), strict=True):
                    if score >= 0.5:
                        table.writerow((path, name, f"{score:.6f}"))
    print(f"{len(dataset) / (time.perf_counter() - started):.3f} images/s")


if __name__ == "__main__":
    main()
