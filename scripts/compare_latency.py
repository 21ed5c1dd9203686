#!/usr/bin/env python3
"""Compares two latency sets of one device: scripts/compare_latency.py A/latency.jsonl B/latency.jsonl

For the architectures that both hold: median relative difference and Kendall tau of hat's latencies (ratio to the interleaved
anchor times its reference) and, beside them, of the plain trimmed means of wall times."""
import json
import statistics
import sys


def read(path):
    reference, rows = None, {}
    with open(path) as file:
        for line in file:
            entry = json.loads(line)
            if entry["type"] == "reference":
                reference = entry["anchor_ms"]
            elif entry["type"] == "row":
                rows[entry["id"]] = entry
    return {name: {"hat": row["total_ratio"] * reference, "ratio": row["total_ratio"],
                   "wall": row["wall_total"]["mean"]} for name, row in rows.items()}


def kendall_tau(a, b):
    concordant = discordant = 0
    for i in range(len(a)):
        for j in range(i):
            product = (a[i] - a[j]) * (b[i] - b[j])
            concordant += product > 0
            discordant += product < 0
    return (concordant - discordant) / max(1, concordant + discordant)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    first, second = read(sys.argv[1]), read(sys.argv[2])
    names = sorted(set(first) & set(second))
    print(f"{len(names)} architectures in both")
    for kind, text in (("hat", "hat's latency"), ("ratio", "ratio to the anchor"), ("wall", "plain wall time")):
        a = [first[name][kind] for name in names]
        b = [second[name][kind] for name in names]
        differences = [100 * abs(x - y) / ((x + y) / 2) for x, y in zip(a, b)]
        print(f"{text:20} median difference {statistics.median(differences):6.2f} %   "
              f"worst {max(differences):6.2f} %   tau {kendall_tau(a, b):.3f}")


main()
