#!/usr/bin/env python3
"""Devices whose networks LibTorch runs: `hat-torch agent` and what hat makes of it."""
import json
import subprocess
import sys

import program
from program import BINARY, ProgramTest

SPACE = {"format": "hat-space", "version": 1, "name": "small-test", "family": "seq2seq",
         "model": {"norm": "pre", "embeddings": "shared", "activation": "relu", "head_dim": 16},
         "genes": {"encoder.embed_dim": [64, 32], "encoder.layers": [2, 1], "encoder.ffn_dim": [128, 64],
                   "encoder.qkv_dim": [64, 32], "decoder.embed_dim": [64, 32], "decoder.layers": [3, 2, 1],
                   "decoder.ffn_dim": [128, 64], "decoder.self_qkv_dim": [64, 32],
                   "decoder.cross_qkv_dim": [64, 32], "decoder.cross_span": [1, 2]}}
LENGTHS = ["--vocabulary", "500", "--source-length", "6", "--target-length", "5"]


class TorchAgent(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("space.json", json.dumps(SPACE))
        self.write("hat.json", json.dumps({"version": 1, "space": "space.json"}))
        self.device("torch", {"engine": "libtorch", "precision": "fp32"})

    def device(self, name, definition):
        self.write(f"devices/{name}/device.json", json.dumps(definition))

    def ask(self, *lines):
        done = subprocess.run([str(BINARY / "hat-torch"), "agent"], text=True, capture_output=True,
                              input="".join(line + "\n" for line in lines), timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def request(self, **changes):
        layer = {"ffn_dim": 64, "heads": 2, "qkv_dim": 32}
        decoder = {"ffn_dim": 64, "self_heads": 2, "self_qkv_dim": 32, "cross_heads": 2, "cross_qkv_dim": 32,
                   "cross_span": 1}
        request = {"type": "measure", "id": 3, "precision": "fp32", "repetitions": 4,
                   "architecture": {"family": "seq2seq", "encoder": {"embed_dim": 32, "layers": [layer]},
                                    "decoder": {"embed_dim": 32, "layers": [decoder]}},
                   "workload": {"batch": 2, "beam": 3, "source_length": 6, "target_length": 5,
                                "source_vocabulary": 90, "target_vocabulary": 90}}
        request.update(changes)
        return request

    def test_check_names_the_runtime(self):
        report = json.loads(self.ok("devices", "--check", "torch", "--json"))
        self.assertTrue(report["ok"])
        self.assertIn("LibTorch", report["runtime"])
        self.assertIn("hat-torch", self.ok("devices", "--check", "torch"))

    def test_measures_and_predicts(self):
        out = json.loads(self.ok("measure-latency", "--device", "torch", "--samples", "12", "--json",
                                 "--set", "latency.repetitions=6", *LENGTHS))
        self.assertEqual(out["rows"], 12)
        rows = [json.loads(line) for line in open(self.folder / "devices/torch/latency.jsonl")]
        measured = [row for row in rows if row["type"] == "row"]
        self.assertEqual(measured[0]["facts"]["engine"], "libtorch")
        # The largest takes longer than the smallest; both come first.
        self.assertGreater(measured[1]["quiet_ms"], 1.1 * measured[0]["quiet_ms"])
        for row in measured:
            self.assertGreater(row["quiet_encoder_ms"], 0)
            self.assertGreater(row["quiet_ms"], 2 * row["quiet_encoder_ms"])

    def test_every_step_is_run_and_timed(self):
        hello, reply = self.ask(json.dumps(self.request()))
        self.assertEqual(hello["program"], "hat-torch")
        self.assertEqual(reply["type"], "result", reply)
        self.assertEqual(len(reply["total_ms"]), 4)
        self.assertEqual([len(pieces) for pieces in reply["piece_ms"]], [6] * 4)  # encoder, five steps
        with_lengths = self.request()
        with_lengths["workload"]["lengths"] = [[3, 4], [9, 6]]
        reply = self.ask(json.dumps(with_lengths))[1]
        self.assertEqual(len(reply["piece_ms"][0]), 12)

    def test_wrong_requests_are_answered_and_survived(self):
        huge = self.request()
        huge["workload"]["batch"] = 100000
        lines = ["", "garbage", "[" * 10000, "{}", json.dumps(self.request(precision="int8")),
                 json.dumps(self.request(shortlist=20)), json.dumps(huge), "x" * (1 << 21),
                 json.dumps(self.request())]
        replies = self.ask(*lines)[1:]
        self.assertEqual([reply["type"] for reply in replies], ["error"] * 7 + ["result"])
        self.assertIn("fp32", replies[3]["message"])

    def test_a_machine_without_cuda_says_so(self):
        self.device("gpu", {"engine": "libtorch", "backend": "cuda", "precision": "fp32"})
        done = self.hat("devices", "--check", "gpu")
        if done.returncode == 0:
            self.skipTest("there is a GPU here")
        self.assertIn("CUDA", done.stderr)
        self.assertIn("hat: hint: ", done.stderr)
        self.assertNotIn("exit code", done.stderr)

    def test_definitions_that_libtorch_cannot_run_are_refused(self):
        for wrong in ({"precision": "int8"}, {"precision": "fp32", "shortlist": 50},
                      {"precision": "fp32", "isa": "avx2"}):
            self.device("wrong", {"engine": "libtorch", **wrong})
            self.assertIn("libtorch", self.refused(2, "devices", "--check", "wrong"))
        self.device("wrong", {"backend": "cuda"})
        self.refused(2, "devices", "--check", "wrong")


if __name__ == "__main__":
    if not program.has_torch():
        print("needs hat-torch")
        sys.exit(77)
    program.main()
