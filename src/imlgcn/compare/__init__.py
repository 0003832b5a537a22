"""Heads compared on equal terms: the same images, features, budget and grid for each."""

from imlgcn.compare.entries import Entry, parse_entries
from imlgcn.compare.run import Comparison, compare
from imlgcn.compare.table import Row

__all__ = ["Comparison", "Entry", "Row", "compare", "parse_entries"]
