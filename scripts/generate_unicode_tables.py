#!/usr/bin/env python3
"""Writes src/base/unicode_tables.h from Python's unicodedata: run it to move to a newer Unicode."""
import pathlib
import unicodedata

CODE_POINTS = range(0x110000)


def ranges(wanted):
    """Inclusive ranges of the code points for which wanted(character) holds."""
    found = []
    for code in CODE_POINTS:
        if not wanted(chr(code)):
            continue
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def case_runs():
    """(first, last, step, delta): code points whose lower case is a single one, delta further."""
    runs = []
    for code in CODE_POINTS:
        lower = chr(code).lower()
        if len(lower) != 1 or ord(lower) == code:
            continue
        delta = ord(lower) - code
        if runs:
            first, last, step, run_delta = runs[-1]
            gap = code - last
            if delta == run_delta and (gap == step or (step == 0 and gap in (1, 2))):
                runs[-1] = (first, code, gap, delta)
                continue
        runs.append((code, code, 0, delta))
    return [(f, l, s or 1, d) for f, l, s, d in runs]


def table(name, kind, rows):
    text = [f"inline constexpr {kind} {name}[] = {{"]
    line = "   "
    for row in rows:
        item = " {" + ", ".join(row) + "},"
        if len(line) + len(item) > 99:
            text.append(line)
            line = "   "
        line += item
    return "\n".join(text + [line, "};"])


def main():
    parts = [
        "// Written by scripts/generate_unicode_tables.py from Unicode "
        f"{unicodedata.unidata_version}; not edited by hand.",
        "#pragma once\n",
        "#include <cstdint>\n",
        "namespace hat {\n",
        "struct CodeRange {\n  uint32_t first;\n  uint32_t last;\n};",
        "struct CaseRun {\n  uint32_t first;\n  uint32_t last;\n  uint32_t step;\n  int32_t delta;\n};\n",
        "// clang-format off",
    ]
    for name, letter in (("kPunctuation", "P"), ("kSymbols", "S"), ("kNumbers", "N")):
        rows = ranges(lambda c, letter=letter: unicodedata.category(c)[0] == letter)
        parts.append(table(name, "CodeRange", [[hex(a), hex(b)] for a, b in rows]))
    rows = [[hex(f), hex(l), str(s), str(d)] for f, l, s, d in case_runs()]
    parts.append(table("kLowerCase", "CaseRun", rows))
    parts += ["// clang-format on\n", "}  // namespace hat\n"]
    path = pathlib.Path(__file__).resolve().parent.parent / "src" / "base" / "unicode_tables.h"
    path.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
