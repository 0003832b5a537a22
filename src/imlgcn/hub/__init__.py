"""Taggers on the hub of Hugging Face: their addresses, and how they come from it.

Asked for by name only: ``hf-hub:user/name``. What is sent there is decided in `imlgcn.publishing`.
"""
