"""What known labels weigh in a tagger that was trained before that was fitted.

They are read with every tagger, so they stand apart from :mod:`imlgcn.labels.known`, which
uses them.
"""

BETA, SURPRISE, SMOOTHING = 0.6, 0.0, 1.0
