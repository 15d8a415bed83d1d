"""Libraries from npm that are not ours, installed once by the lock beside this file, for whichever test asks first."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def installed() -> Path:
    """The folder that holds `node_modules`."""
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".digest"
    with open(HERE / "package-lock.json", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not stamp.is_file() or stamp.read_text() != digest:
            npm = shutil.which("npm")
            assert npm is not None, "these tests install public clients with npm (Debian: apt install npm)"
            subprocess.run([npm, "ci", *OPTIONS], cwd=HERE, check=True, timeout=100)
            stamp.write_text(digest)
    return HERE
