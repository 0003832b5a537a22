"""Files to images and targets: readers, checks, splits, transforms and the feature cache."""

from imlgcn.data.check import CheckReport, check_dataset
from imlgcn.data.dataset import Dataset, Record, load_dataset
from imlgcn.data.split import SplitTable, split_dataset, write_split_csv

__all__ = [
    "CheckReport",
    "Dataset",
    "Record",
    "SplitTable",
    "check_dataset",
    "load_dataset",
    "split_dataset",
    "write_split_csv",
]
