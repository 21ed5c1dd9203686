"""What the tests of hat search share: a workspace, and a scoring worker that computes a formula in place of a network."""

import json
import os
import pathlib
import shutil
import stat
import struct
import subprocess
import tempfile

import program

WORKER = """#!/usr/bin/env python3
import json, os, sys, time
log = open(os.environ["FAKE_LOG"], "a")
delay = float(os.environ.get("FAKE_DELAY", "0"))
if "FAKE_DIES" in os.environ:
    sys.exit("no memory for the network")
for line in sys.stdin:
    request = json.loads(line)
    a = request["architecture"]
    loss = 6.0 - 0.002 * a["encoder"]["embed_dim"] - 0.004 * a["decoder"]["embed_dim"]
    for i, layer in enumerate(a["encoder"]["layers"]):
        loss -= 0.1 + layer["ffn_dim"] * 3e-4 + layer["qkv_dim"] * 2e-4 * (i + 1)
    for i, layer in enumerate(a["decoder"]["layers"]):
        loss -= 0.2 + layer["ffn_dim"] * 2e-4 + layer["self_qkv_dim"] * 3e-4
        loss -= layer["cross_qkv_dim"] * 1e-4 * (2 - i) + 0.01 * layer["cross_span"]
    time.sleep(delay)
    log.write(line)
    log.flush()
    print(json.dumps({"id": request["id"], "loss": loss, "nll": loss, "tokens": 1, "ms": 1}), flush=True)
"""

WIDTHS = {"ffn_dim": 256, "qkv_dim": 96, "heads": 6}
SUPER = {
    "format": "hat-architecture",
    "version": 1,
    "family": "seq2seq",
    "encoder": {"embed_dim": 96, "layers": 2 * [WIDTHS]},
    "decoder": {
        "embed_dim": 96,
        "layers": 2
        * [
            {
                "ffn_dim": 256,
                "self_heads": 6,
                "self_qkv_dim": 96,
                "cross_heads": 6,
                "cross_qkv_dim": 96,
                "cross_span": 2,
            }
        ],
    },
}
# Latency grows with everything, as the original's files give it: ten averages, then times in ms.
COLUMNS = (
    "encoder_embed_dim,encoder_layer_num,encoder_ffn_embed_dim_avg,encoder_self_attention_heads_avg,"
    "decoder_embed_dim,decoder_layer_num,decoder_ffn_embed_dim_avg,decoder_self_attention_heads_avg,"
    "decoder_ende_attention_heads_avg,decoder_arbitrary_ende_attn_avg,"
    "latency_mean_encoder,latency_mean_decoder,latency_std_encoder,latency_std_decoder"
)


def latency_csv():
    rows = [COLUMNS]
    for i in range(96):
        e, d = (64, 96)[i % 2], (64, 96)[i // 2 % 2]
        le, ld = 1 + i // 4 % 2, 1 + i // 8 % 2
        fe, fd = 128 + 64 * (i % 3), 128 + 64 * (i // 3 % 3)
        span = 1 + (i % 5) / 4
        encoder = 0.1 + le * (0.05 + 2e-6 * e * fe + 4e-6 * e * 96)
        decoder = 0.5 + ld * (0.4 + 1.2e-5 * d * fd + 3e-5 * d * 96 + 0.01 * span)
        rows.append(f"{e},{le},{fe},4,{d},{ld},{fd},4,4,{span},{encoder},{decoder},0.01,0.01")
    return "\n".join(rows) + "\n"


def safetensors(metadata):
    header = {"__metadata__": metadata, "x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + struct.pack("<4f", 1, 2, 3, 4)


class SearchWorkspaceTest(program.ProgramTest):
    @classmethod
    def setUpClass(cls):
        # hat with a worker of ours beside it, and a predictor that every workspace copies.
        cls.bin = pathlib.Path(tempfile.mkdtemp(prefix="hat-search-bin-"))
        cls.addClassCleanup(shutil.rmtree, cls.bin, ignore_errors=True)
        for name in ("hat", "hat-run"):
            if (program.BINARY / name).exists():
                shutil.copy(program.BINARY / name, cls.bin / name)
        worker = cls.bin / "hat-torch"
        worker.write_text(WORKER)
        worker.chmod(worker.stat().st_mode | stat.S_IXUSR)
        (cls.bin / "lat.csv").write_text(latency_csv())
        done = program.run(
            "train-predictor", "--from-csv", cls.bin / "lat.csv", "-o", cls.bin / "predictor.json"
        )
        assert done.returncode == 0, done.stderr

    def setUp(self):
        super().setUp()
        self.write("hat.json", json.dumps({"space": "tiny", "latency": {"beam": 5}, "search": {"evaluations": 120}}))
        lengths = {"mean": 10.0}
        data = {"source_vocabulary": 500, "target_vocabulary": 500}
        data["splits"] = {"train": {"source": lengths, "target": lengths}}
        self.write("data/data.json", json.dumps(data))
        self.write("data/valid.bin", "sentences")
        self.write("super/space.json", (program.SOURCE / "configs/spaces/tiny.json").read_text())
        self.write_super()
        (self.folder / "devices/local").mkdir(parents=True)
        shutil.copy(self.bin / "predictor.json", self.folder / "devices/local/predictor.json")
        self.log = self.folder / "log"
        self.environment = {**os.environ, "FAKE_LOG": str(self.log)}

    def write_super(self, architecture=SUPER, vocabulary=500):
        vocabulary = {"source": vocabulary, "target": vocabulary}
        metadata = {"architecture": json.dumps(architecture), "vocabulary": json.dumps(vocabulary)}
        (self.folder / "super/super.safetensors").write_bytes(safetensors(metadata))

    def hat(self, *arguments, **options):
        return subprocess.run(
            [str(self.bin / "hat"), *map(str, arguments)],
            cwd=self.folder,
            text=True,
            capture_output=True,
            timeout=300,
            env={**self.environment, **options.get("env", {})},
        )

    def calls(self):
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def result(self, number=1):
        return json.loads((self.folder / f"searches/{number}/result.json").read_text())
