"""Taggers to and from the hub of Hugging Face, when that is asked for by name.

`sending` is push, which takes PyTorch; `copying` is pull, which does not.
"""
