"""From features or images to trained heads: linear, then label embeddings, then graph."""
