"""hat search as a user runs it, with a scoring worker that computes a formula in place of a network."""

import json
import shutil
import signal
import subprocess
import time

import program
from search_workspace import SUPER, SearchWorkspaceTest


class SearchTest(SearchWorkspaceTest):
    def test_a_latency_budget_is_kept_by_the_bound_when_nothing_can_be_measured(self):
        out = self.ok("search", "--latency", "2.2ms", "--no-baselines")
        self.assertIn("nothing was measured", out)
        self.assertIn("hat finetune", out)
        result = self.result()
        self.assertLessEqual(result["bound_latency_ms"], 2.2)
        self.assertLess(result["predicted_latency_ms"], result["bound_latency_ms"])
        self.assertIsNone(result["measured_latency_ms"])
        architecture = json.loads((self.folder / "searches/1/architecture.json").read_text())
        self.assertEqual(architecture, result["architecture"])
        self.assertTrue((self.folder / "searches/1/metrics.jsonl").exists())
        # The same budget again: every score is known, no worker is started.
        calls = self.calls()
        self.ok("search", "--latency", "2.2ms", "--no-baselines")
        self.assertEqual(self.calls(), calls)
        second = self.result(2)
        self.assertEqual(second["architecture"], result["architecture"])

    def test_several_budgets_and_baselines(self):
        out = self.ok("search", "--params", "400k", "--flops", "100M", "--size", "1MB", "--memory", "2MB")
        for name in ("winner", "largest", "depth sweep", "uniform scaling", "random search"):
            self.assertIn(name, out)
        goal = self.result()["goals"][0]
        self.assertLessEqual(goal["winner"]["costs"]["params"], 400e3)
        self.assertTrue(goal["winner"]["keeps_budget"])
        random = next(row for row in goal["baselines"] if row["name"] == "random search")
        self.assertLessEqual(goal["winner"]["loss"], random["loss"])

    def test_threads_do_not_change_the_answer(self):
        self.ok("search", "--params", "400k", "--threads", "1")
        shutil.move(self.folder / "searches/1", self.folder / "one")
        for scores in (self.folder / "super").glob("scores-*"):
            scores.unlink()
        self.ok("search", "--params", "400k", "--threads", "2")
        one = (self.folder / "one/result.json").read_bytes()
        self.assertEqual(one, (self.folder / "searches/1/result.json").read_bytes())

    def test_killed_and_resumed_ends_in_the_same_bytes(self):
        self.ok("search", "--params", "400k", "--no-baselines")
        expected = (self.folder / "searches/1/result.json").read_bytes()
        journal = (self.folder / "searches/1/journal.jsonl").read_bytes()
        events = [json.loads(line)["event"] for line in journal.splitlines()]
        self.assertGreaterEqual(events.count("scored"), 120)
        self.assertEqual(events.count("finalist"), 5)
        undisturbed = self.calls()
        shutil.rmtree(self.folder / "searches")
        for scores in (self.folder / "super").glob("scores-*"):
            scores.unlink()
        self.log.unlink()
        for _ in range(3):
            process = subprocess.Popen(
                [str(self.bin / "hat"), "search", "--params", "400k", "--no-baselines"],
                cwd=self.folder,
                env={**self.environment, "FAKE_DELAY": "0.02"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            seen = self.calls()
            deadline = time.time() + 60
            while self.calls() < seen + 20 and time.time() < deadline and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.assertFalse((self.folder / "searches/1/result.json").exists())
        self.ok("search", "--params", "400k", "--no-baselines")
        self.assertEqual((self.folder / "searches/1/result.json").read_bytes(), expected)
        self.assertEqual((self.folder / "searches/1/journal.jsonl").read_bytes(), journal)
        self.assertFalse((self.folder / "searches/2").exists())
        # What was on its way to two workers at each of three kills is all that is paid twice.
        self.assertLessEqual(self.calls(), undisturbed + 3 * 8)

    def test_a_front_answers_later_budgets_without_evaluations(self):
        out = self.ok("search", "--pareto", "--no-baselines")
        self.assertIn("the front", out)
        front = self.result()["front"]
        self.assertGreater(len(front), 10)
        losses = [row["loss"] for row in front]
        self.assertEqual(losses, sorted(losses, reverse=True))
        calls = self.calls()
        for number, budget in enumerate(("1.9ms", "2.3ms", "2.9ms"), 2):
            self.ok("search", "--latency", budget)
            result = self.result(number)
            self.assertEqual(result["answered_from"], "1")
            self.assertLessEqual(result["bound_latency_ms"], float(budget[:-2]))
        self.assertEqual(self.calls(), calls)
        self.ok("search", "--latency", "2.3ms", "--fresh", "--no-baselines")
        self.assertNotIn("answered_from", self.result(5))

    def test_several_devices_share_one_pool(self):
        shutil.copytree(self.folder / "devices/local", self.folder / "devices/other")
        self.write("devices/other/device.json", "{}")
        budgets = ("--latency", "local=2.2ms", "--latency", "other=2.8ms")
        self.ok("search", "--device", "local", "--device", "other", *budgets, "--no-baselines")
        goals = self.result()["goals"]
        self.assertEqual([goal["name"] for goal in goals], ["local", "other"])
        self.assertLessEqual(goals[0]["winner"]["bound_latency_ms"], 2.2)
        self.assertLessEqual(goals[1]["winner"]["bound_latency_ms"], 2.8)
        self.assertLess(goals[1]["winner"]["loss"], goals[0]["winner"]["loss"])
        self.assertTrue((self.folder / "searches/1/architecture-other.json").exists())

    def test_impossible_budgets_name_the_nearest_possible(self):
        begin = time.time()
        error = self.refused(4, "search", "--latency", "1us")
        self.assertLess(time.time() - begin, 5)
        self.assertEqual(self.calls(), 0)
        self.assertFalse((self.folder / "searches").exists())
        self.assertIn("encoder", error)  # the architecture that reaches it
        nearest = error.split("Ask for ")[1].split(" ")[0]
        self.ok("search", "--latency", nearest, "--no-baselines")
        for flag in ("--params", "--size", "--memory", "--flops"):
            error = self.refused(4, "search", flag, {"--params": "1k", "--flops": "1k"}.get(flag, "1KB"))
            nearest = error.split("Ask for ")[1].split(" ")[0]
            self.ok("search", flag, nearest, "--no-baselines", "--evaluations", "10")

    def test_a_budget_with_few_networks_is_searched_to_the_last(self):
        nearest = self.refused(4, "search", "--params", "1k").split("Ask for ")[1].split(" ")[0]
        smallest = float(nearest.strip("kM.")) * {"k": 1e3, "M": 1e6}[nearest.strip(".")[-1]]
        done = self.hat("search", "--params", str(int(1.02 * smallest)), "--no-baselines")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("every network within the budget is scored", done.stderr)
        self.assertNotIn("nan", done.stderr)
        self.assertLess(self.result()["evaluations"], 120)

    def test_contradictory_budgets_name_the_nearest_pair(self):
        # Each alone is possible: a fast network of little more than the fewest parameters is not.
        fewest = self.refused(4, "search", "--params", "1k").split("Ask for ")[1].split(" ")[0]
        fastest = self.refused(4, "search", "--latency", "1us").split("Ask for ")[1].split(" ")[0]
        self.ok("search", "--params", fewest.strip("."), "--no-baselines", "--evaluations", "10")
        self.ok("search", "--latency", fastest.strip("."), "--no-baselines", "--evaluations", "10")
        budgets = ("--params", fewest.strip("."), "--latency", fastest.strip("."))
        done = self.hat("search", *budgets, "--no-baselines", "--evaluations", "10")
        if done.returncode != 0:  # the same network may be the smallest and the fastest
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn("though each alone is possible", done.stderr)
            self.assertIn("hint: Ask for", done.stderr)

    def test_compare_shows_every_method_beside_the_original(self):
        out = self.ok("search", "--compare", "1", "--params", "400k", "--evaluations", "60")
        for name in ("hat search --pareto", "original's evolution", "random search", "depth sweep", "uniform"):
            self.assertIn(name, out)
        text = self.ok("search", "--compare", "1", "--params", "400k", "--evaluations", "60", "--json")
        result = json.loads(text)
        self.assertEqual(result["computed_scores"], 0)
        methods = {method["name"]: method for method in result["methods"]}
        self.assertEqual(methods["original's evolution"]["passes"], 3750)
        self.assertEqual(methods["hat search"]["evaluations"], 60)
        self.assertEqual(methods["original's, equal evaluations"]["evaluations"], 60)
        self.assertLessEqual(methods["hat search"]["loss"], methods["random search"]["loss"])
        self.assertFalse((self.folder / "searches").exists())
        self.refused(2, "search", "--compare", "1", "--pareto")

    def test_checking_budgets_needs_a_device_that_can_be_measured(self):
        self.assertIn("hat measure-latency", self.refused(2, "search", "--check-budgets", "2"))
        self.refused(2, "search", "--check-budgets", "0")

    def write_energies(self, energy_j):
        header = {"type": "latency set", "version": 2, "device": "local", "imported": False, "imported_from": ""}
        header |= {"space_id": "", "precision": "int8", "small_anchor": SUPER, "large_anchor": SUPER}
        header["workload"] = {"batch": 1, "beam": 5, "source_length": 10, "target_length": 10}
        header["workload"] |= {"source_vocabulary": 500, "target_vocabulary": 500}
        reference = {"type": "reference", "small_anchor_ms": 2.0, "large_anchor_ms": 2.0}
        lines = [header, reference | {"time": "2026-01-01T00:00:00Z"}]
        for i in range(24):
            a = json.loads(json.dumps(SUPER))
            a["decoder"]["layers"] = a["decoder"]["layers"][: 1 + i % 2]
            for layer in a["decoder"]["layers"] + a["encoder"]["layers"]:
                layer["ffn_dim"] = 128 + 64 * (i % 3)
            a["encoder"]["layers"][0]["ffn_dim"] += i // 6  # each network once
            times = {"mean": 1.0, "deviation": 0.1, "p50": 1.0, "p90": 1.0, "p99": 1.0}
            row = {"type": "row", "id": str(i), "architecture": a, "repetitions": 20}
            row |= {"quiet_ms": 2.0, "quiet_encoder_ms": 0.2, "small_anchor_ms": 2.0, "large_anchor_ms": 2.0}
            row |= {"error_percent": 0.5}
            row |= {name: times for name in ("wall_total", "wall_encoder", "wall_decoder", "cpu_total")}
            row |= {"anchor_wall_ms": 2.0, "anchor_cpu_ms": 2.0, "memory_mb": 1.0, "model_mb": 1.0}
            row |= {"energy_j": energy_j * (1 + i % 2) * (1 + 0.1 * (i % 3)), "session": 1}
            row |= {"time": "2026-01-01T00:00:00Z", "facts": {}}
            lines.append(row)
        text = "\n".join(json.dumps(line) for line in lines) + "\n"
        self.write("devices/local/latency.jsonl", text)

    def test_energy_is_a_budget_where_it_was_measured(self):
        error = self.refused(2, "search", "--energy", "0.5J")
        self.assertIn("RAPL", error)
        self.write_energies(0)
        self.assertIn("RAPL", self.refused(2, "search", "--energy", "0.5J"))
        self.write_energies(0.1)
        self.assertIn("no unit", self.refused(2, "search", "--energy", "0.5"))
        self.assertIn("mJ", self.refused(4, "search", "--energy", "1uJ"))
        self.ok("search", "--energy", "150mJ", "--no-baselines", "--evaluations", "20")
        winner = self.result()["goals"][0]["winner"]
        self.assertLess(winner["costs"]["energy"], 0.15)

    def test_budgets_that_make_no_sense(self):
        for arguments in (
            (),
            ("--latency", "200"),
            ("--latency", "0ms"),
            ("--latency=-5ms",),
            ("--latency", "fast"),
            ("--latency", "nanms"),
            ("--latency", "0%"),
            ("--latency", "120%"),
            ("--memory", "0MB"),
            ("--size=-1MB",),
            ("--flops", "0"),
            ("--params", "0"),
            ("--params=-3M",),
            ("--size", "30"),
            ("--latency", "2ms", "--latency", "3ms"),
            ("--latency", "pi=2ms"),
            ("--latency", "2ms", "--device", "nowhere"),
        ):
            with self.subTest(arguments=arguments):
                error = self.refused(2, "search", *arguments)
                self.assertIn("hat: hint: ", error)
        self.assertEqual(self.calls(), 0)

    def test_what_does_not_belong_together_is_refused(self):
        own = json.loads(self.ok("search", "--params", "400k", "--no-baselines", "--evaluations", "5", "--json"))
        predictor = self.folder / "devices/local/predictor.json"
        text = predictor.read_text()
        predictor.unlink()
        self.assertIn("hat measure-latency", self.refused(2, "search", "--latency", "2ms"))
        other = json.loads(text)
        self.write("devices/local/predictor.json", "{}")
        self.refused(3, "search", "--latency", "2ms")
        # Predictors of another space, precision or workload: what to run is said.
        workload = {"batch": 1, "beam": 5, "source_length": 10, "target_length": 10}
        workload |= {"source_vocabulary": 500, "target_vocabulary": 500}
        fitting = {**other, "imported": False, "space_id": own["space_id"], "workload": workload}
        self.write("devices/local/predictor.json", json.dumps({**fitting, "space_id": "0123456789abcdef"}))
        self.assertIn("another search space", self.refused(2, "search", "--latency", "2ms"))
        self.write("devices/local/predictor.json", json.dumps({**fitting, "workload": {**workload, "beam": 4}}))
        error = self.refused(2, "search", "--latency", "2ms")
        self.assertIn("beam", error)
        self.assertIn("hat measure-latency", error)
        predictor.write_text(json.dumps(other))
        self.write_super(vocabulary=501)
        self.assertIn("train-super", self.refused(3, "search", "--params", "400k"))
        wider = json.loads(json.dumps(SUPER))
        wider["encoder"]["embed_dim"] = 128
        self.write_super(wider)
        self.assertIn("train-super", self.refused(3, "search", "--params", "400k"))
        self.write_super()
        self.assertIn("train-super", self.refused(2, "search", "--params", "400k", "--set", "space=small"))
        (self.folder / "super/super.safetensors").write_bytes(b"damaged")
        self.refused(3, "search", "--params", "400k")
        (self.folder / "super/super.safetensors").unlink()
        self.assertIn("train-super", self.refused(2, "search", "--params", "400k"))

    def test_a_worker_that_dies_is_reported_with_its_words(self):
        error = self.hat("search", "--params", "400k", env={"FAKE_DIES": "1"})
        self.assertEqual(error.returncode, 3, error.stderr)
        self.assertIn("no memory for the network", error.stderr)


if __name__ == "__main__":
    program.main()
