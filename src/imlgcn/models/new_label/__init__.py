"""A label that was not there in training, from a few images of it, in closed form.

`ground.py` is what the tagger knows: its images and its labels. `parts.py` has the four parts of
the score, `formula.py` joins them, `episodes.py` chooses their weights on labels that are known.
"""
