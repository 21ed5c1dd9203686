#!/usr/bin/env python3
"""Checks that the sources keep to the module map and the house rules.

  layering_test.py [SOURCE_DIR]              includes, libraries, file lengths, exit and abort
  layering_test.py --format [SOURCE_DIR]     .clang-format is satisfied (77: no clang-format 14)
  layering_test.py --self-test               the checks find what they should

The map is read from the hat_module() lines of CMakeLists.txt: a module may include itself and
whatever its DEPS reach, its tests also what its TEST_DEPS reach.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

LONGEST_FILE = 600
SKIPPED = 77
CLANG_FORMAT_MAJOR = 14  # other versions break lines elsewhere
TOP_FOLDERS = ("include/hat", "src", "tests")
# Where a library from outside may be included. Modules that may use LibTorch and JSON are marked in
# CMakeLists.txt.
CLI_LIBRARIES = {"CLI11": r"CLI/", "spdlog": r"spdlog/"}
TORCH = r"(?:torch|ATen|c10|caffe2)/"
JSON = r"nlohmann/"
TESTING = r"(?:gtest|gmock)/"
TORCH_CLI = "src/cli/torch/"

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT_OR_TEXT = re.compile(
    r'R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|//[^\n]*|/\*.*?\*/'
    r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL)
ENDS_PROCESS = re.compile(r"(?<![\w.>])(_?exit|_Exit|quick_exit|abort|terminate)\s*\(")


class Module:
    def __init__(self, name):
        self.name = name
        self.torch = False
        self.reach = {name}  # what its sources may include
        self.test_reach = {name}  # and its tests


def read_map(text):
    """The modules by name, from the hat_module(NAME [DEPS ...] [TEST_DEPS ...] [TORCH]) lines."""
    modules = {}
    text = re.sub(r"#[^\n]*", "", text)
    for name, rest in re.findall(r"^\s*hat_module\(\s*(\w+)([^)]*)\)", text, re.MULTILINE):
        module = Module(name)
        extra = set()
        target = None
        for word in rest.split():
            if word == "TORCH":
                module.torch = True
            elif word in ("DEPS", "TEST_DEPS"):
                target = module.reach if word == "DEPS" else extra
            elif word == "json":
                target.add(word)
            elif word in modules:
                target |= modules[word].reach
            else:
                raise ValueError(f"CMakeLists.txt: {name}: {word} is not declared before it")
        module.test_reach = module.reach | extra
        modules[name] = module
    if "base" not in modules:
        raise ValueError("CMakeLists.txt: no hat_module() lines found")
    return modules


def source_files(root):
    for top in TOP_FOLDERS:
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders.sort()
            for name in sorted(names):
                if name.endswith((".h", ".cpp")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def owner_of(path):
    """The module a file belongs to: include/hat/arch/x.h, src/arch/y/x.cpp and tests/arch/x.cpp are
    arch's. Empty for what lies beside the modules."""
    parts = path.split("/")
    parts = parts[2:] if parts[0] == "include" else parts[1:]
    return parts[0] if len(parts) > 1 else ""


def without_comments_and_texts(text):
    return COMMENT_OR_TEXT.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


class Checker:
    def __init__(self, root):
        self.root = root
        with open(os.path.join(root, "CMakeLists.txt"), encoding="utf-8") as file:
            self.modules = read_map(file.read())
        self.problems = []
        self.texts = {}
        for path in source_files(root):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                self.texts[path] = file.read()

    def problem(self, path, line, message):
        self.problems.append(f"{path}:{line}: {message}")

    def run(self):
        for path, text in self.texts.items():
            for match in INCLUDE.finditer(text):
                self.check_include(path, line_of(text, match.start()), match[1], match[2])
            self.check_length(path, text)
            self.check_process_end(path, text)
        self.check_torch_with_spdlog()
        return self.problems

    def may_use_torch(self, path):
        module = self.modules.get(owner_of(path))
        return path.startswith((TORCH_CLI, "tests/cli/torch/")) or bool(module and module.torch)

    def check_include(self, path, line, bracket, name):
        owner = owner_of(path)
        is_test = path.startswith("tests/")
        module = self.modules.get(owner)
        if name.startswith("hat/"):
            self.check_module_include(path, line, name.split("/")[1])
        elif re.match(TORCH, name):
            if not self.may_use_torch(path):
                self.problem(path, line, f"LibTorch's {name}: this file may not use LibTorch")
        elif re.match(JSON, name):
            # Tests read golden numbers from JSON.
            if module and "json" not in module.reach and not is_test:
                self.problem(path, line, f"{name}: {owner} may not use JSON")
        elif re.match(TESTING, name) or name.startswith("testing/"):
            if not is_test:
                self.problem(path, line, f"{name}: only tests may include it")
        elif bracket == '"' and "/" in name and name.split("/")[0] in {*self.modules, "cli"}:
            # A private header, by its path below src/.
            if owner != name.split("/")[0]:
                self.problem(path, line, f"{name} is private to {name.split('/')[0]}")
        for library, pattern in CLI_LIBRARIES.items():
            if re.match(pattern, name) and owner != "cli":
                self.problem(path, line, f"{library}'s {name}: only the programs may include it")

    def check_module_include(self, path, line, target):
        owner = owner_of(path)
        if target not in self.modules:
            self.problem(path, line, f"hat/{target}/ is not a module of CMakeLists.txt")
        elif owner in self.modules:
            module = self.modules[owner]
            allowed = module.test_reach if path.startswith("tests/") else module.reach
            if target not in allowed:
                self.problem(path, line, f"{owner} may not include hat/{target}/")
        elif path.startswith("src/cli/") and self.modules[target].torch:
            if not self.may_use_torch(path):
                self.problem(path, line, f"hat/{target}/ needs LibTorch: only {TORCH_CLI} has it")
        elif path.startswith("src/") and owner != "cli":
            self.problem(path, line, f"src/{owner}/ is not a module of CMakeLists.txt")

    def check_length(self, path, text):
        lines = text.count("\n")
        generated = "generated" in text[:400].lower()
        if path.startswith(("include/", "src/")) and lines > LONGEST_FILE and not generated:
            self.problem(path, lines, f"{lines} lines: more than {LONGEST_FILE}; split it")

    def check_process_end(self, path, text):
        if path.startswith("tests/") or os.path.basename(path).endswith("main.cpp"):
            return
        code = without_comments_and_texts(text)
        for match in ENDS_PROCESS.finditer(code):
            self.problem(path, line_of(code, match.start()),
                         f"{match[1]}(): only a program's main file may end the process")

    def reachable(self, path, found):
        """The file and every header of ours that it includes, directly or not."""
        if path in found or path not in self.texts:
            return found
        found.add(path)
        for _, name in INCLUDE.findall(self.texts[path]):
            for candidate in (f"include/{name}", f"src/{name}", f"tests/{name}",
                              os.path.join(os.path.dirname(path), name)):
                self.reachable(os.path.normpath(candidate), found)
        return found

    def check_torch_with_spdlog(self):
        # Each brings an fmt of its own.
        def uses(path, pattern):
            return any(re.match(pattern, name) for _, name in INCLUDE.findall(self.texts[path]))

        torch = {path for path in self.texts if uses(path, TORCH)}
        spdlog = {path for path in self.texts if uses(path, CLI_LIBRARIES["spdlog"])}
        if not torch or not spdlog:
            return
        for path in self.texts:
            reached = self.reachable(path, set())
            if reached & torch and reached & spdlog:
                both = " and ".join((min(reached & torch), min(reached & spdlog)))
                self.problem(path, 1, f"includes both LibTorch and spdlog, through {both}")


def check_layering(root):
    checker = Checker(root)
    problems = checker.run()
    for problem in problems:
        print(problem)
    print(f"{len(checker.texts)} files, {len(checker.modules)} modules, {len(problems)} problems")
    return 1 if problems else 0


def check_format(root):
    program = shutil.which(f"clang-format-{CLANG_FORMAT_MAJOR}") or shutil.which("clang-format")
    if program is None:
        print("skipped: no clang-format here")
        return SKIPPED
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    major = re.search(r"version (\d+)", version.stdout)
    if major is None or int(major[1]) != CLANG_FORMAT_MAJOR:
        print(f"skipped: the sources are formatted with clang-format {CLANG_FORMAT_MAJOR}, this is "
              f"{version.stdout.strip()}")
        return SKIPPED
    files = list(source_files(root))
    result = subprocess.run([program, "--dry-run", "--Werror", *files], cwd=root,
                            capture_output=True, text=True, check=False)
    wrong = sorted({line.split(":")[0] for line in result.stderr.splitlines()
                    if "[-Wclang-format-violations]" in line})
    for path in wrong:
        print(f"{path}: not formatted")
    if wrong:
        print(f"Run: clang-format -i {' '.join(wrong)}")
    elif result.returncode != 0:
        print(result.stderr)
    print(f"{len(files)} files, {len(wrong)} not formatted")
    return 1 if result.returncode != 0 else 0


SELF_TEST_MAP = """
hat_module(base)
hat_module(config DEPS base json)
hat_module(arch DEPS base config)
hat_module(text DEPS base TEST_DEPS arch)  # not hat_module(x)
hat_module(model DEPS arch TORCH)
"""
# A file, and a word of the problem that it must cause (None: it is fine).
SELF_TEST_FILES = [
    ("src/arch/fine.cpp", '#include "hat/base/x.h"\n#include "hat/config/y.h"\n'
                          "#include <nlohmann/json.hpp>\n#include \"arch/own.h\"\n", None),
    ("tests/arch/fine_test.cpp", '#include "testing/x.h"\n#include <gtest/gtest.h>\nvoid f() '
                                 "{ _exit(1); }\n", None),
    ("src/base/up.cpp", '#include "hat/arch/x.h"\n', "base may not include hat/arch/"),
    ("src/text/side.cpp", '#  include "hat/config/x.h"\n', "text may not include"),
    ("tests/text/side_test.cpp", '#include "hat/arch/x.h"\n', None),
    ("tests/arch/side_test.cpp", '#include "hat/text/x.h"\n', "arch may not include"),
    ("src/text/json.cpp", "#include <nlohmann/json.hpp>\n", "may not use JSON"),
    ("tests/text/golden_test.cpp", "#include <nlohmann/json.hpp>\n", None),
    ("src/arch/torch.cpp", "#include <torch/torch.h>\n", "may not use LibTorch"),
    ("src/model/torch.cpp", "#include <ATen/ATen.h>\n", None),
    ("src/cli/torch/train.cpp", '#include <torch/torch.h>\n#include "hat/model/x.h"\n', None),
    ("src/cli/search.cpp", '#include "hat/model/x.h"\n', "needs LibTorch"),
    ("src/arch/log.cpp", "#include <spdlog/spdlog.h>\n", "only the programs"),
    ("src/arch/flags.cpp", "#include <CLI/CLI.hpp>\n", "only the programs"),
    ("src/cli/sink.h", "#include <spdlog/spdlog.h>\n", None),
    ("src/cli/torch/both.cpp", '#include <torch/torch.h>\n#include "cli/sink.h"\n', "both LibTorch"),
    ("src/arch/private.cpp", '#include "config/inner.h"\n', "private to config"),
    ("src/base/helper.cpp", '#include "testing/x.h"\n', "only tests"),
    ("src/base/unknown.cpp", '#include "hat/nowhere/x.h"\n', "not a module"),
    ("src/base/stop.cpp", "void f() { std::exit(1); }\n", "only a program's main"),
    ("src/base/stop2.cpp", "void f() { abort (); }\n", "only a program's main"),
    ("src/base/names.cpp", '// exit(1)\nint on_exit(int);\nauto t = "abort()"; auto u = '
                           'R"(exit(2))";\nvoid g(T x) { x.exit(1); }\n', None),
    ("src/cli/main.cpp", "int main() { exit(2); }\n", None),
    ("src/arch/long.cpp", "int x;\n" * 601, "more than 600"),
    ("src/arch/table.cpp", "// Generated by scripts/x.py.\n" + "int x;\n" * 700, None),
]


def self_test():
    failures = 0
    with tempfile.TemporaryDirectory() as root:
        with open(os.path.join(root, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write(SELF_TEST_MAP)
        for path, text, _ in SELF_TEST_FILES:
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        problems = Checker(root).run()
    for path, _, expected in SELF_TEST_FILES:
        found = [problem for problem in problems if problem.startswith(path + ":")]
        right = not found if expected is None else len(found) == 1 and expected in found[0]
        if not right:
            failures += 1
            print(f"{path}: expected {expected!r}, found {found}")
    print(f"self-test: {len(SELF_TEST_FILES)} files, {failures} failures")
    return failures


def main(arguments):
    flags = [argument for argument in arguments if argument.startswith("--")]
    places = [argument for argument in arguments if not argument.startswith("--")]
    root = places[0] if places else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if flags == ["--self-test"]:
        return 1 if self_test() else 0
    if flags == ["--format"]:
        return check_format(root)
    if flags:
        print(__doc__)
        return 2
    # A checker that no longer finds anything would pass for ever.
    return 1 if self_test() else check_layering(root)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
