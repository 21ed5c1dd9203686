#!/usr/bin/env python3
"""hat-run as a user runs it: one small static program that survives odd input and gives the same
tokens on every instruction set, under emulation too where there is an aarch64 build."""
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("HAT_SOURCE_DIR", os.path.join(os.path.dirname(__file__), "..", ".."))
HAT_RUN = os.path.join(os.environ.get("HAT_BIN_DIR", os.path.join(SOURCE, "build", "bin")), "hat-run")
HAT_RUN_ARM = os.environ.get("HAT_RUN_AARCH64",
                             os.path.join(SOURCE, "build-aarch64", "bin", "hat-run"))
QEMU = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
LARGEST_PROGRAM = 5_000_000
MEMORY_BESIDE_MODEL = 24e6


def architecture(width=64, ffn=96, layers=2, heads=4):
    return {"encoder_embed_dim": width, "encoder_layer_num": layers,
            "encoder_ffn_embed_dim": [ffn] * layers, "encoder_self_attention_heads": [heads] * layers,
            "decoder_embed_dim": width, "decoder_layer_num": layers,
            "decoder_ffn_embed_dim": [ffn] * layers, "decoder_self_attention_heads": [heads] * layers,
            "decoder_ende_attention_heads": [heads] * layers,
            "decoder_arbitrary_ende_attn": [-1, 1][:layers] + [-1] * (layers - 2)}


def run(arguments, program=(HAT_RUN,), text="", **environment):
    return subprocess.run([*program, *arguments], input=text.encode(), capture_output=True,
                          timeout=300, env={**os.environ, **environment})


class HatRun(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.arch = os.path.join(cls.folder.name, "arch.json")
        cls.model = os.path.join(cls.folder.name, "model.hat")
        with open(cls.arch, "w") as file:
            json.dump(architecture(), file)
        made = run(["bench", "--arch", cls.arch, "--vocab", "300", "--save", cls.model, "--json",
                    "--repetitions", "1", "--no-bandwidth"])
        assert made.returncode == 0, made.stderr
        cls.bench = json.loads(made.stdout)
        numbers = random.Random(1)
        cls.lines = "".join(
            " ".join(str(numbers.randrange(4, 300)) for _ in range(numbers.randrange(1, 20))) + "\n"
            for _ in range(12)) + "\n"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def translate(self, *flags, program=(HAT_RUN,), **environment):
        done = run(["translate", self.model, "--ids", "--max-length", "15", "--threads", "1", *flags],
                   program, self.lines, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def test_bench_has_the_promised_keys(self):
        for key in ("total_ms", "encoder_ms", "decoder_ms"):
            self.assertEqual(set(self.bench[key]), {"min", "p10", "p50", "p90"})
        for key in ("isa", "threads", "model_id", "tokens_per_second", "peak_memory_mb", "load_ms"):
            self.assertIn(key, self.bench)

    def test_one_line_for_each_line(self):
        self.assertEqual(self.translate().count("\n"), self.lines.count("\n"))
        # The last line is blank and has one translation, the blank line.
        lists = self.translate("--n-best", "3").splitlines()
        self.assertEqual(len(lists), 3 * (self.lines.count("\n") - 1) + 1)
        self.assertTrue(lists[-1].startswith(f"{self.lines.count(chr(10)) - 1} |||  |||"))

    def test_every_instruction_set_gives_the_same_tokens(self):
        info = run(["info"]).stdout.decode()
        kernels = next(line for line in info.splitlines() if line.startswith("kernels")).split()[1:]
        expected = self.translate("--scores")
        for isa in kernels:
            self.assertEqual(self.translate("--scores", HAT_ISA=isa), expected, isa)
        self.assertNotEqual(run(["info"], HAT_ISA="nonsense").returncode, 0)

    def test_aarch64_gives_the_same_tokens(self):
        if not QEMU or not os.path.exists(HAT_RUN_ARM):
            self.skipTest("no aarch64 build or no qemu")
        expected = self.translate("--scores")
        for isa in ("neon", "neondot"):
            program = (QEMU, "-cpu", "max", HAT_RUN_ARM)
            self.assertEqual(self.translate("--scores", program=program, HAT_ISA=isa), expected, isa)

    def test_programs_are_small_and_static(self):
        for program in (HAT_RUN, HAT_RUN_ARM):
            if not os.path.exists(program):
                continue
            size = os.path.getsize(program)
            with open(program, "rb") as file:
                content = file.read()
            if b"asan" in content or b"/ld-linux" in content:
                continue  # a sanitizer or debug build
            self.assertLessEqual(size, LARGEST_PROGRAM, program)

    def test_info_describes_a_model(self):
        shown = json.loads(run(["info", self.model]).stdout)
        self.assertEqual(shown["id"], self.bench["model_id"])
        self.assertEqual(shown["precision"], "int8")

    def test_a_reader_that_goes_ends_it(self):
        child = subprocess.Popen([HAT_RUN, "translate", self.model, "--ids"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.close()
        try:
            child.stdin.write(b"5 6 7\n" * 10_000)
            child.stdin.close()
        except BrokenPipeError:
            pass
        self.assertEqual(child.wait(timeout=120), 3)
        self.assertIn(b"stdout", child.stderr.read())
        child.stderr.close()

    def test_wrong_use_is_explained(self):
        cases = [(["translate"], 2), (["translate", "--beem", "3", self.model], 2),
                 (["translate", self.model, "--beam", "900"], 2), (["dance"], 2),
                 (["translate", "/nonexistent.hat"], 3), (["translate", self.arch], 3),
                 (["translate", self.model], 3),  # no tokenizer inside
                 (["classify", self.model], 2), (["bench"], 2)]
        for arguments, code in cases:
            done = run(arguments)
            self.assertEqual(done.returncode, code, (arguments, done.stderr))
            self.assertIn(b"error:", done.stderr)

    def test_agent_answers_nonsense(self):
        done = run(["agent"], text="nonsense\n{}\n" + "x" * 2_000_000 + '\n{"type":"ping","id":1}\n')
        types = [json.loads(line)["type"] for line in done.stdout.splitlines()]
        self.assertEqual(types, ["hello", "error", "error", "error", "pong"])
        self.assertEqual(done.returncode, 0)

    def test_memory_stays_near_the_model(self):
        big = os.path.join(self.folder.name, "big.json")
        model = os.path.join(self.folder.name, "big.hat")
        with open(big, "w") as file:
            json.dump(architecture(512, 2048, 6, 8), file)
        made = run(["bench", "--arch", big, "--save", model, "--repetitions", "1", "--warmup", "0",
                    "--no-bandwidth"])
        self.assertEqual(made.returncode, 0, made.stderr)
        script = ("import resource, subprocess, sys\n"
                  "subprocess.run(sys.argv[1:], input=b'9 8 7 6 5\\n' * 3 + b'77 ' * 60 + b'\\n',"
                  " stdout=subprocess.DEVNULL, check=True)\n"
                  "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n")
        done = subprocess.run([sys.executable, "-c", script, HAT_RUN, "translate", model, "--ids",
                               "--threads", "1", "--max-length", "60"], capture_output=True,
                              timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        limit = os.path.getsize(model) + MEMORY_BESIDE_MODEL
        self.assertLessEqual(1024 * int(done.stdout), limit)


if __name__ == "__main__":
    if not os.path.exists(HAT_RUN):
        print("no hat-run at", HAT_RUN)
        sys.exit(77)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unittest.main()
