"""What the tests of the programs share: running `hat` as a user would. Standard library only."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("HAT_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BINARY = pathlib.Path(os.environ.get("HAT_BIN_DIR", SOURCE / "build" / "bin"))
SHARED = pathlib.Path(os.environ.get("HAT_SHARED_DIR", SOURCE.parent / "shared"))


def has_program(name):
    return (BINARY / name).exists()


def has_torch():
    return has_program("hat-torch")


def run(*arguments, cwd=None, stdin=None, timeout=600, program="hat", env=None):
    """Returns the finished process with text in stdout and stderr."""
    return subprocess.run(
        [str(BINARY / program), *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        text=True,
        capture_output=True,
        timeout=timeout,
        env=None if env is None else {**os.environ, **env},
    )


class ProgramTest(unittest.TestCase):
    """A test case with a folder of its own, removed afterwards."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hat-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def hat(self, *arguments, **options):
        options.setdefault("cwd", self.folder)
        return run(*arguments, **options)

    def ok(self, *arguments, **options):
        """Runs hat, expects success, returns stdout."""
        done = self.hat(*arguments, **options)
        self.assertEqual(done.returncode, 0, f"hat {arguments}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def refused(self, code, *arguments, **options):
        """Runs hat, expects the exit code and one readable error, returns stderr."""
        done = self.hat(*arguments, **options)
        self.assertEqual(done.returncode, code, f"hat {arguments}\n{done.stdout}\n{done.stderr}")
        self.assertIn("hat: error: ", done.stderr)
        self.assertNotIn("terminate called", done.stderr)
        return done.stderr

    def write(self, name, text, mode="w"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, mode) as file:
            file.write(text)
        return path


def main():
    unittest.main(argv=[sys.argv[0], "-v"])
