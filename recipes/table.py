"""The first lines of the recipes, read by a program: `python recipes/table.py` writes the table."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
# in this order at the top of every recipe, as `# key: value`; a line `#   ...` goes on with a value
ONCE = (
    "system",
    "data",
    "paper",
    "train",
    "evaluate",
    "hardware",
    "hours",
    "published",
    "protocol",
    "measured",
)
NOTES = ("reconstruction", "differs")  # after these: at most one of the first, one or more others
BEGIN, END = "<!-- table: python recipes/table.py -->\n", "<!-- end of table -->\n"
COLUMNS = ("system", "data", "published mAP", "source", "protocol", "recipe", "measured")


def read_comments(path: Path) -> dict[str, list[str]]:
    """Return the comments at the top of a recipe: key -> its values, in the order of the file."""
    found: dict[str, list[str]] = {}
    key = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            break
        if line.startswith("#   "):
            found[key][-1] += " " + line[4:]
            continue
        key, colon, value = line[2:].partition(": ")
        if not colon or key not in (*ONCE, *NOTES):
            raise ValueError(f"{path}: expected '# key: value' with a known key; got {line!r}")
        found.setdefault(key, []).append(value)
    return found


def recipes(folder: Path = FOLDER) -> list[Path]:
    """Return all recipes, those of one data set together."""
    return sorted(folder.glob("*.yaml"))


def published(comments: dict[str, list[str]]) -> tuple[str, str]:
    """Return the published mAP in percent, as printed, and where it stands."""
    number, _, source = comments["published"][0].partition(" mAP, ")
    return number, source


def table(folder: Path = FOLDER) -> str:
    """Return the table of all recipes in Markdown."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    for path in recipes(folder):
        found = read_comments(path)
        number, source = published(found)
        rows.append(
            (
                found["system"][0],
                found["data"][0],
                number,
                source,
                found["protocol"][0].replace(" (assumed: none was published)", ", assumed"),
                f"[{path.stem}]({path.name})",
                found["measured"][0],
            )
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def with_table(page: str, folder: Path = FOLDER) -> str:
    """Return the page with its table made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table(folder) + END + after


if __name__ == "__main__":
    readme = FOLDER / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
