"""Heads compared on equal terms: the same images, features, budget and search."""

from imlgcn.comparison.entries import Entry, parse_entries
from imlgcn.comparison.run import Comparison, compare
from imlgcn.comparison.table import Row

__all__ = ["Comparison", "Entry", "Row", "compare", "parse_entries"]
