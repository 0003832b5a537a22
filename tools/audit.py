"""Look the packages of `requirements.lock` up in the database of known vulnerabilities.

    python tools/audit.py

Exit code 0: none is known; 1: some are, and they are listed; 2: the database could not be reached,
so that nothing is known either way.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"


def verdict(output: str, errors: str) -> tuple[int, str]:
    """Return the exit code and the words for what `pip-audit --format json` wrote."""
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        why = errors.strip().splitlines()
        reason = why[-1] if why else "no answer"
        return 2, f"not audited: the vulnerability database could not be reached ({reason})"
    skipped = [x for x in packages if "vulns" not in x]
    found = [
        f"{x['name']} {x['version']}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'none'}"
        for x in packages
        for v in x.get("vulns", ())
    ]
    if found:
        return 1, "\n".join(found)
    if skipped:
        reason = skipped[0].get("skip_reason", "no answer")
        every = len(skipped) == len(packages)
        return 2, f"not audited: {'all' if every else len(skipped)} packages; first: {reason}"
    return 0, f"no known vulnerability in {len(packages)} packages"


def main() -> None:
    """Run pip-audit and say what it found."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes"]
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True)
    code, words = verdict(done.stdout, done.stderr)
    print(words)
    sys.exit(code)


if __name__ == "__main__":
    main()
