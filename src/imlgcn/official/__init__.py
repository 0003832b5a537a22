"""Published systems: their sizes, and how their checkpoints become taggers (`imlgcn import`)."""
