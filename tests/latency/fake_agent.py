#!/usr/bin/env python3
"""A measuring agent without networks: times follow a formula. Its first argument says how it behaves, the second is a
file in which it counts the requests it has answered over all of its lives. In mode "levels" the third is a file with two
numbers, how slow networks and anchors are now."""
import json
import random
import sys
import time

MODE = sys.argv[1] if len(sys.argv) > 1 else "normal"
COUNTER = sys.argv[2] if len(sys.argv) > 2 else None
LEVELS = sys.argv[3] if len(sys.argv) > 3 else None


def out(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def count_request():
    if COUNTER is None:
        return 0
    try:
        with open(COUNTER) as file:
            n = int(file.read())
    except FileNotFoundError:
        n = 0
    with open(COUNTER, "w") as file:
        file.write(str(n + 1))
    return n


def cost_ms(arch):
    encoder = arch["encoder"]
    decoder = arch["decoder"]
    def dim(side):
        return side["embed_dim"]
    enc = sum(0.1 + dim(encoder) * layer["ffn_dim"] / 4e6 for layer in encoder["layers"])
    dec = 1 + sum(1.0 + dim(decoder) * layer["ffn_dim"] / 1e6 for layer in decoder["layers"])
    return enc, dec


def hello(protocol=2):
    return json.dumps({"type": "hello", "protocol": protocol, "program": "fake", "version": "1", "commit": "x",
                       "machine": {"architecture": "x86-64", "model": "fake", "features": "", "isa": "scalar",
                                   "logical_cores": 1, "memory_bytes": 1e9, "page_bytes": 4096, "clock_mhz": None,
                                   "governor": None, "temperature_c": None, "energy": False}})


class Clock:
    """How slow the machine is now: wanders by tens of percent when asked to."""
    def __init__(self):
        self.rng = random.Random(7)
        self.level = 1.0

    def factor(self):
        if MODE == "unsteady":
            self.level = min(2.0, max(0.7, self.level * (1 + 0.03 * self.rng.gauss(0, 1))))
        noise = 1 + 0.01 * self.rng.gauss(0, 1)
        if MODE == "busy":
            noise += 0.4 * self.rng.random()
        return self.level * noise


CLOCK = Clock()


def run_times(arch, n):
    enc, dec = cost_ms(arch)
    factors = [CLOCK.factor() for _ in range(n)]
    return [enc * f for f in factors], [dec * f for f in factors]


def lists(enc, dec):
    total = [a + b for a, b in zip(enc, dec)]
    pieces = [[a] + [b / 4] * 4 for a, b in zip(enc, dec)]
    return {"encoder_pieces": 1, "piece_ms": pieces, "piece_cpu_ms": [list(run) for run in pieces],
            "encoder_ms": enc, "decoder_ms": dec, "total_ms": total, "encoder_cpu_ms": enc, "decoder_cpu_ms": dec,
            "total_cpu_ms": total}


def measure(request):
    n = request["repetitions"]
    reply = {"type": "result", "id": request["id"], "model_id": "m", "architecture_id": "a", "isa": "scalar",
             "threads": request["threads"], "build_ms": 1.0, "model_bytes": 1e6, "memory_bytes": 2e6,
             "stopped_by": "repetitions", "clock_mhz": None, "governor": None, "temperature_c": None}
    names = [anchor["architecture"] for anchor in request.get("anchors", [])]
    levels = None
    if MODE == "levels":
        with open(LEVELS) as file:
            levels = [float(word) for word in file.read().split()]
    runs, anchors, after = ([], []), [([], []) for _ in names], []
    for i in range(n + 1):
        if names and (i % request["anchor_every"] == 0 or i == n):
            CLOCK.level = levels[1] if levels else CLOCK.level
            for architecture, lists_of in zip(names, anchors):
                enc, dec = run_times(architecture, 1)
                lists_of[0].extend(enc)
                lists_of[1].extend(dec)
            after.append(i)
        if i < n:
            CLOCK.level = levels[0] if levels else CLOCK.level
            enc, dec = run_times(request["architecture"], 1)
            runs[0].extend(enc)
            runs[1].extend(dec)
    reply.update(lists(*runs))
    if names:
        reply["anchor_after"] = after
        reply["anchors"] = [dict(lists(*times), model_id="m") for times in anchors]
    return reply


def spoil_pieces(reply):
    pieces = reply["piece_cpu_ms"]
    if MODE == "pieces-unequal":
        pieces[0] = [sum(pieces[0])]
    elif MODE == "pieces-sum":
        pieces[0][1] += 100
    elif MODE == "pieces-nan":
        pieces[0][1] = float("nan")
    elif MODE == "pieces-negative":
        pieces[0][1] -= 2 * pieces[0][1]
    elif MODE == "pieces-many":
        reply["piece_ms"] = [[total / 5000] * 5000 for total in reply["total_ms"]]
    elif MODE == "pieces-few-runs":
        pieces.pop()
    elif MODE == "pieces-encoder":
        reply["encoder_pieces"] = 6
    elif MODE == "pieces-no-anchor":
        del reply["anchors"][0]["piece_ms"]
    elif MODE == "pieces-missing":
        del reply["piece_ms"]
    elif MODE == "pieces-no-lists":
        reply["piece_ms"] = "fast"


def spoil(reply):
    if MODE.startswith("pieces"):
        spoil_pieces(reply)
    if MODE == "negative":
        reply["total_ms"][0] = -3.0
    elif MODE == "nan":
        reply["total_ms"][0] = float("nan")
    elif MODE == "huge":
        reply["decoder_ms"][0] = 1e300
    elif MODE == "text":
        reply["total_ms"][0] = "fast"
    elif MODE == "unequal":
        reply["encoder_ms"].append(1.0)
    elif MODE == "too-many":
        for key in ("encoder_ms", "decoder_ms", "total_ms", "encoder_cpu_ms", "decoder_cpu_ms", "total_cpu_ms"):
            reply[key] = reply[key] * 5000
    elif MODE == "empty":
        reply["total_ms"] = []
    elif MODE == "wrong-id":
        reply["id"] += 1
    elif MODE == "no-anchor":
        del reply["anchors"]
    elif MODE == "one-anchor":
        reply["anchors"].pop()
    elif MODE == "anchor-text":
        reply["anchors"][0] = "fast"
    elif MODE == "anchor-places":
        reply["anchor_after"][0] = 10 ** 6
    elif MODE == "deep":
        return "[" * 200000
    elif MODE == "array":
        return "[1, 2, 3]"
    elif MODE == "garbage-later":
        return "Segmentation fault (core dumped)"
    return json.dumps(reply)


def main():
    if MODE == "garbage":
        out("Welcome to Ubuntu 22.04 LTS\x1b[31m")
    elif MODE == "endless":
        while True:
            sys.stdout.write("x" * 65536)
            sys.stdout.flush()
    elif MODE == "silent":
        time.sleep(3600)
    elif MODE == "gone":
        sys.stderr.write("no such device\n")
        sys.exit(7)
    elif MODE == "protocol":
        out(hello(9))
    elif MODE == "no-protocol":
        out('{"type":"hello"}')
    else:
        out(hello())
    for line in sys.stdin:
        request = json.loads(line)
        if request["type"] == "quit":
            return
        if request["type"] == "ping":
            out(json.dumps({"type": "pong", "id": request["id"]}))
            continue
        answered = count_request()
        if MODE == "slow-a-while":
            CLOCK.level = 1.4 if 6 <= answered < 18 else 1.0
        if MODE == "silent-later":
            time.sleep(3600)
        if MODE == "endless-later":
            while True:
                sys.stdout.write("1" * 65536)
                sys.stdout.flush()
        if MODE == "cut" and answered in (4, 9):
            sys.exit(1)
        if MODE == "dead-after-6" and answered >= 6:
            sys.exit(1)
        if MODE == "refuse":
            out(json.dumps({"type": "error", "id": request["id"], "kind": "data", "message": "too large",
                            "hint": "smaller"}))
            continue
        out(spoil(measure(request)))


main()
