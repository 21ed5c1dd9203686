"""The whole journey through the programs on a generated corpus, and what happens when it goes wrong on the way."""

import fcntl
import json
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

import program

# Small enough for seconds, long enough for several checkpoints.
TINY = ("--set", "train.max_updates=60", "--set", "train.batch_tokens=256", "--set", "train.checkpoint_every=5",
        "--set", "train.validate_every=20", "--set", "train.valid_sentences=20", "--set", "train.max_minutes=0",
        "--set", "train.precision=fp32", "--threads", "1")


class Journey(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.ok("init", "--demo", "--pairs", "600")
        self.ok("prepare", "--vocabulary", "400")

    def train_super(self, *more, **options):
        return self.ok("train-super", *TINY, *more, **options)

    def dropout_of_finetune(self, name="*"):
        (record,) = (self.folder / "models").glob(f"{name}/config.json")
        return json.loads(record.read_text())["finetune"]["train"]["dropout"]

    def test_every_stage_follows_the_one_before(self):
        self.assertIn("hat train-super", self.refused(2, "search", "--latency", "80%"))
        self.assertIn("hat search", self.refused(2, "finetune"))
        self.train_super()
        self.assertIn("measure-latency", self.refused(2, "search", "--latency", "80%"))
        self.ok("measure-latency", "--samples", "12", "--repetitions", "10")
        for budget, code in (("1us", 4), ("0ms", 2), ("-5ms", 2), ("200", 2), ("fast", 2)):
            with self.subTest(budget):
                self.refused(code, "search", f"--latency={budget}")
        self.assertFalse((self.folder / "searches" / "1" / "result.json").exists())
        effort = ("--set", "search.evaluations=20", "--set", "search.population=8")
        self.ok("search", "--latency", "90%", *effort)
        finetune = ("finetune", "--set", "finetune.train.max_updates=10", "--threads", "1")
        self.ok(*finetune)
        self.assertEqual(self.dropout_of_finetune(), 0)
        for more, dropout in (
            (("--from-scratch", "--set", "train.dropout=0.3"), 0.3),
            (("--set", "finetune.train.dropout=0.2"), 0.2),
        ):
            self.ok(*finetune, "--name", "other", "--restart", *more)
            self.assertEqual(self.dropout_of_finetune("other"), dropout)
        shutil.rmtree(self.folder / "models" / "other")
        self.ok(*finetune, "--restart")
        report = json.loads(self.ok("evaluate", "--json"))
        self.assertGreater(report["chrf"]["score"], 0)
        self.ok("export", "--precision", "int8")
        (model,) = (self.folder / "models").glob("*/model.hat")
        text = (self.folder / "text" / "test.de").read_text().splitlines()
        lines = "\n".join(text[:7]) + "\n\n"
        self.assertEqual(len(self.ok("translate", stdin=lines).splitlines()), 8)
        alone = self.hat("translate", model, stdin=lines, program="hat-run")
        self.assertEqual(alone.stdout, self.ok("translate", stdin=lines))
        self.ok("report")
        self.assertIn("<html", (self.folder / "report.html").read_text())

        damaged = bytearray(model.read_bytes())
        damaged[len(damaged) // 2] ^= 0x40
        for name, content in (("cut.hat", damaged[: len(damaged) // 2]), ("empty.hat", b"")):
            self.write(name, bytes(content), "wb")
            self.refused(3, "translate", "--model", name, stdin="a\n")

    def test_rank_check_is_not_run_twice_at_a_time(self):
        self.train_super()
        command = ("rank-check", "--architectures", "4", "--updates", "12", "--threads", "1", "--json")
        lock = self.folder / "super" / "rank_check" / "lock"
        lock.parent.mkdir()
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.assertIn("held by another process", self.refused(3, *command))
        result = json.loads(self.ok(*command))
        self.assertEqual(len(result["networks"]), 4)
        self.assertEqual(json.loads(self.ok(*command)), result)  # nothing is trained again

    def test_kill_9_anywhere_ends_in_the_same_bytes(self):
        whole = self.folder / "whole"
        shutil.copytree(self.folder / "data", whole / "data")
        shutil.copytree(self.folder / "text", whole / "text")
        shutil.copy(self.folder / "hat.json", whole / "hat.json")
        self.train_super(cwd=whole)
        checkpoint = self.folder / "super" / "checkpoint" / "state.safetensors"
        kills = 0
        for pause in (0.0, 0.03, 0.11, 0.2, 0.37):
            before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
            child = subprocess.Popen([str(program.BINARY / "hat"), "train-super", *TINY], cwd=self.folder,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 120
            while child.poll() is None and time.monotonic() < deadline:
                if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                    break
                time.sleep(0.005)
            time.sleep(pause)
            if child.poll() is None:
                kills += 1
            child.send_signal(signal.SIGKILL)
            child.wait()
        self.assertGreaterEqual(kills, 2)
        self.train_super()
        self.assertEqual((self.folder / "super" / "super.safetensors").read_bytes(),
                         (whole / "super" / "super.safetensors").read_bytes())

    def test_ctrl_c_saves_and_says_130(self):
        child = subprocess.Popen([str(program.BINARY / "hat"), "train-super", *TINY, "--set",
                                  "train.max_updates=5000"], cwd=self.folder, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        checkpoint = self.folder / "super" / "checkpoint" / "state.safetensors"
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 130, errors)
        self.assertIn("goes on", errors)

    def test_damaged_checkpoints_are_named(self):
        self.train_super("--set", "train.max_updates=20")
        folder = self.folder / "super" / "checkpoint"
        states = sorted(folder.glob("*.safetensors"))
        self.assertTrue(states)
        for path in states:
            path.write_bytes(path.read_bytes()[:1000])
        (self.folder / "super" / "result.json").unlink()
        text = self.refused(3, "train-super", *TINY, "--set", "train.max_updates=20")
        self.assertIn(".safetensors", text)
        self.assertIn("--restart", text)

    def test_a_full_disk_is_named_and_leaves_nothing_half(self):
        def small_files():
            # The limit stands in for a full disk.
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

        shutil.rmtree(self.folder / "data")
        for command, absent in ((("prepare",), "data"), (("train-super", *TINY), "super/super.safetensors")):
            with self.subTest(command[0]):
                done = subprocess.run([str(program.BINARY / "hat"), *command], cwd=self.folder, text=True,
                                      capture_output=True, preexec_fn=small_files)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertIn("hat: error: cannot write", done.stderr)
                self.assertFalse((self.folder / absent).exists())
            self.ok("prepare", "--vocabulary", "400")

    def test_a_workspace_of_a_newer_hat_is_refused(self):
        path = self.folder / "hat.json"
        path.write_text(path.read_text().replace('"version": 1', '"version": 99'))
        for command in ("prepare", "train-super", "search"):
            self.assertIn("newer", self.refused(2, command))

    def test_a_batch_beyond_memory_is_split_or_refused(self):
        def little_memory():
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

        # What the program maps before it trains, measured, and a little more.
        limit = 0
        child = subprocess.Popen([str(program.BINARY / "hat"), "train-super", *TINY, "--set",
                                  "train.max_updates=2000"], cwd=self.folder, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        checkpoint = self.folder / "super" / "checkpoint" / "state.safetensors"
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        for line in pathlib.Path(f"/proc/{child.pid}/status").read_text().splitlines():
            if line.startswith("VmPeak"):
                limit = int(line.split()[1]) * 1024 + 60_000_000
        child.kill()
        child.wait()
        shutil.rmtree(self.folder / "super")
        self.assertGreater(limit, 0)
        done = subprocess.run([str(program.BINARY / "hat"), "train-super", *TINY, "--set", "train.max_updates=2",
                               "--set", "train.batch_tokens=8192"], cwd=self.folder, text=True,
                              capture_output=True, preexec_fn=little_memory)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        self.assertIn("memory", done.stderr)
        self.assertNotIn("terminate called", done.stderr)


if __name__ == "__main__":
    if not program.has_torch():
        print("skipped: needs hat-torch (a build with LibTorch)")
        sys.exit(77)
    program.main()
