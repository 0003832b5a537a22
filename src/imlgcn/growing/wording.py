"""What to expect of a new label, in words: for the command line and the page."""

from __future__ import annotations

from imlgcn.growing.add import Added
from imlgcn.numbers import number, percent, plural


def sentence(added: Added) -> str:
    """Return what to expect of a label that was added, without a full stop."""
    expected = added.expectation
    start = f"learnt from {plural(added.images, 'image')}"
    if added.probe_only:
        start += ", by a probe alone, because the tagger keeps no features of its training images"
    if expected.AP is None:
        return (
            f"{start}; too few of the tagger's labels have enough images to say how sure it is: "
            "look at some tags"
        )
    low, middle, high = expected.AP
    words = (
        f"{start}; expect an average precision of about {percent(low)} to {percent(high)} "
        f"(half of {plural(expected.trials, 'label')} of this tagger, tried as new ones; median "
        f"{percent(middle)})"
    )
    if expected.more is not None:
        images, labels, gain = expected.more
        words += (
            f"; with {images} images it was {number(100 * gain, 0)} points higher, on the "
            f"{labels} labels that have so many"
        )
    return words
