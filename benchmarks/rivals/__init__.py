"""What imlgcn predict is measured against: scripts as people write them, each a whole program."""
