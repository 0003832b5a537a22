"""``python -m imlgcn``: the command line, wherever its script is not on the path."""

from imlgcn.cli import main

if __name__ == "__main__":
    main()
