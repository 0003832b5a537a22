"""The model card of a tagger: a README.md for the hub, made from what its folder says.

No number or licence in it is a guess: what the folder does not say is called unknown.
"""

from imlgcn.model_card.card import Licences, model_card

__all__ = ["Licences", "model_card"]
