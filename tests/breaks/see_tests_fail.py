#!/usr/bin/env python3
"""Sees every test of a program fail: disables, one at a time, the functions of the product that a test runs, those first
that fewest tests run, until the test fails by a check of its own. A test that no disabled function makes fail checks
nothing, or something that no function of its own does: inlined code, data, an order; break that by hand.

  cmake --preset ci && cmake --build --preset ci
  cmake --preset asan -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g" && cmake --build --preset asan   # its types are read only
  python3 tests/breaks/see_tests_fail.py build/ci build/asan mixo_probes_tests

Appends to build/ci/breaks/PROGRAM.jsonl a line for each function tried, goes on where it was stopped, and writes
PROGRAM.tsv: test, function, and the check that failed, or the best that was reached. x86-64 Linux only: functions are
overwritten in memory (break_function.cpp).
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import time

from return_types import returnTypes

HERE = pathlib.Path(__file__).parent
SMALLEST = 24  # bytes of code that can be overwritten with any replacement
OUTCOMES = ["failed", "threw", "crashed", "timeout", "passed"]  # from what shows most to what shows nothing
WORKERS = 2
BESIDE = 8  # tests tried together, at most
BESIDE_SECONDS = 6.0


def symbols(path):
    """(mangled name, offset, size) of the functions in an object, archive or program."""
    for line in subprocess.run(["nm", "-S", path], capture_output=True, text=True).stdout.splitlines():
        parts = line.split()
        if len(parts) == 4 and parts[2] in "tTwW":
            yield parts[3], int(parts[0], 16), int(parts[1], 16)


def replacements(kind):
    """What a function of this kind is made to return, as break_function.cpp names it."""
    return {"v": ["0"], "b": ["0", "1"], "i": ["0", "1"], "f": ["0"], "t": ["t"], "p": []}.get(
        kind[0], [kind] if kind[0] == "s" else ["0"])


class Program:
    def __init__(self, build, debug_build, name):
        self.path = build / "bin" / name
        self.name = name
        self.folder = build / "breaks"
        self.folder.mkdir(exist_ok=True)
        self.preload = self.folder / "break_function.so"
        subprocess.run(["g++", "-O2", "-std=c++20", "-shared", "-fPIC", "-o", self.preload, HERE / "break_function.cpp"],
                       check=True)
        self.functions = self.findFunctions(build, self.returnKinds(debug_build))
        (self.folder / f"{name}.offsets").write_text("".join(f"{offset:x}\n" for offset in self.functions))

    def returnKinds(self, debug_build):
        kept = self.folder / "return_types.json"
        if not kept.exists():
            objects = [path for folder in ("kernels", "engine", "probes", "sessions", "views", "app")
                       for path in (debug_build / folder).rglob("*.o")]
            kept.write_text(json.dumps(returnTypes(objects)))
        return json.loads(kept.read_text())

    def findFunctions(self, build, kinds):
        """offset -> (mangled name, kind) of the product's functions, without those of the tests."""
        product = {name for archive in build.glob("*/libmixo_*.a") for name, _, _ in symbols(archive)}
        return {offset: (name, kinds[name]) for name, offset, size in symbols(self.path)
                if name in product and "mixoscope" in name and name in kinds and size >= SMALLEST}

    def tests(self):
        listed, suite = [], ""
        for line in self.run(["--gtest_list_tests"], 60)[1].splitlines():
            if not line.startswith(" "):
                suite = line.split("#")[0].strip()
            elif suite.endswith("."):
                listed.append(suite + line.split("#")[0].strip())
        return listed

    def run(self, arguments, seconds, **environment):
        """Exit status and output, in an empty folder of its own."""
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run(
                ["timeout", "-k", "2", str(seconds), self.path, *arguments], stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace", cwd=scratch,
                env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "TMPDIR": scratch, "LD_PRELOAD": str(self.preload),
                     **environment})
        return done.returncode, done.stdout

    def trace(self, test):
        """The test's seconds and the functions that it runs; None where it fails even so."""
        with tempfile.NamedTemporaryFile("r") as out:
            start = time.monotonic()
            status, _ = self.run([f"--gtest_filter={test}"], 200, MIXO_TRACE=f"{self.folder}:{out.name}")
            offsets = {int(line.split()[1], 16) for line in out if line.split()[0] == self.name}
            return None if status else (time.monotonic() - start, offsets)

    def outcomes(self, offset, replacement, tests, seconds):
        """Test -> [outcome, where] for the tests that were reached."""
        status, text = self.run([f"--gtest_filter={':'.join(tests)}"], 8 + 4 * seconds,
                                MIXO_BREAK=f"{self.name}:{offset:x}:{replacement}")
        found = {}
        for test in tests:
            name = re.escape(test)
            if re.search(rf"\[  FAILED  \] {name}(,| \()", text):
                part = text.split(f"[ RUN      ] {test}\n")[-1].split("[  FAILED  ]")[0]
                check = re.search(r"tests/([\w/]+\.(?:cpp|h):\d+): Failure", part)
                found[test] = ["failed", check[1]] if check else ["threw", ""]
            elif re.search(rf"\[       OK \] {name} \(", text):
                found[test] = ["passed", ""]
            elif f"[ RUN      ] {test}\n" in text:
                found[test] = ["timeout" if status in (124, 137) else "crashed", ""]
        return found or {tests[0]: ["crashed", ""]}


class Search:
    def __init__(self, program, limit):
        self.program = program
        self.limit = limit
        self.path = program.folder / f"{program.name}.jsonl"
        self.lock = threading.Lock()
        self.best = {}  # test -> [outcome, where, function]
        self.tried = collections.defaultdict(set)
        self.busy = set()
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            names = program.tests()
            traces = dict(zip(names, pool.map(program.trace, names)))
        self.seconds = {test: trace[0] for test, trace in traces.items() if trace}
        self.runs = {test: trace[1] for test, trace in traces.items() if trace}
        self.untraced = [test for test, trace in traces.items() if not trace]
        self.tests_of = collections.defaultdict(set)
        for test, offsets in self.runs.items():
            for offset in offsets:
                self.tests_of[offset].add(test)
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            self.take(json.loads(line))

    def seen(self, test):
        return self.best.get(test, ["passed"])[0] == "failed"

    def take(self, record):
        for test, (outcome, where) in record["tests"].items():
            self.tried[test].add((record["offset"], record["replacement"]))
            if test not in self.best or OUTCOMES.index(outcome) < OUTCOMES.index(self.best[test][0]):
                self.best[test] = [outcome, where, record["function"]]

    def group(self, test, offset, replacement):
        others = sorted((other for other in self.tests_of[offset] - self.busy - {test} if not self.seen(other) and
                         (offset, replacement) not in self.tried[other]), key=self.seconds.get)[:BESIDE - 1]
        return [test, *others] if sum(map(self.seconds.get, [test, *others])) < BESIDE_SECONDS else [test]

    def search(self, test):
        attempts = 0
        for offset in sorted(self.runs[test], key=lambda offset: len(self.tests_of[offset])):
            function, kind = self.program.functions[offset]
            for replacement in replacements(kind):
                with self.lock:
                    if self.seen(test) or attempts >= self.limit:
                        return
                    if (offset, replacement) in self.tried[test]:
                        continue
                    group = self.group(test, offset, replacement)
                    self.busy.update(group)
                found = self.program.outcomes(offset, replacement, group, sum(map(self.seconds.get, group)))
                attempts += 1
                with self.lock:
                    self.busy.difference_update(group)
                    record = {"offset": offset, "replacement": replacement, "function": function, "tests": found}
                    self.take(record)
                    with self.path.open("a") as out:
                        out.write(json.dumps(record) + "\n")

    def searchAll(self):
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(self.search, sorted(self.runs, key=self.seconds.get)))

    def write(self):
        rows = [[test, *self.best.get(test, ["passed", "", ""])] for test in self.runs]
        names = subprocess.run(["c++filt"], input="\n".join(row[3] for row in rows), capture_output=True, text=True)
        lines = ["\t".join([row[0], row[1], row[2], name]) for row, name in zip(rows, names.stdout.split("\n"))]
        (self.program.folder / f"{self.program.name}.tsv").write_text(
            "\n".join(["test\toutcome\tcheck\tdisabled function", *lines]) + "\n")
        seen = sum(map(self.seen, self.runs))
        print(f"{self.program.name}: {seen} of {len(self.runs)} tests seen failing by a check of their own")
        for test in [test for test in self.runs if not self.seen(test)] + self.untraced:
            print(f"  not {test}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("debug_build", type=pathlib.Path, help="of the same sources with clang and -g")
    parser.add_argument("program")
    parser.add_argument("--limit", type=int, default=25, help="functions disabled for one test")
    options = parser.parse_args()
    search = Search(Program(options.build.resolve(), options.debug_build.resolve(), options.program), options.limit)
    search.searchAll()
    search.write()


if __name__ == "__main__":
    main()
