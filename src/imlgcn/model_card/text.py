"""Names inside Markdown: a label is shown as it is, whatever signs are in it."""

from __future__ import annotations

import unicodedata

SIGNS = set("\\`*_{}[]()<>#+!|~$&\"'^=:@/")  # that Markdown, HTML or the hub may take for markup


def plain(text: str) -> str:
    """Return a text that Markdown and HTML show as it is, on one line.

    >>> plain("a_b | <b>")
    'a&#95;b &#124; &#60;b&#62;'
    """
    line = " ".join(text.split())
    return "".join(_sign(sign) for sign in line)


def _sign(sign: str) -> str:
    if sign in SIGNS:
        return f"&#{ord(sign)};"
    if unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs", "Cn"):
        return "\ufffd"  # a direction mark would turn the rest of the line around
    return sign
