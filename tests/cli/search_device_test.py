"""hat search with a device that answers by a formula: what finalists are measured as, and what is kept of it."""

import json
import sys

import program
from search_workspace import SearchWorkspaceTest

AGENT = program.SOURCE / "tests/latency/fake_agent.py"
sys.dont_write_bytecode = True


def formula_ms(architecture):
    """The fake agent's, which it is told by nobody."""
    encoder, decoder = architecture["encoder"], architecture["decoder"]
    ms = 1 + sum(0.1 + encoder["embed_dim"] * layer["ffn_dim"] / 4e6 for layer in encoder["layers"])
    return ms + sum(1.0 + decoder["embed_dim"] * layer["ffn_dim"] / 1e6 for layer in decoder["layers"])


class SearchDeviceTest(SearchWorkspaceTest):
    def setUp(self):
        super().setUp()
        (self.folder / "devices/local/predictor.json").unlink()
        self.count = self.folder / "count"
        self.levels(1, 1)
        command = [sys.executable, str(AGENT), "levels", str(self.count), str(self.folder / "levels")]
        self.write("devices/fake/device.json", json.dumps({"connect": "command", "command": command}))
        self.ok("measure-latency", "--device", "fake")

    def levels(self, networks, anchors):
        """How slow the device is from now on."""
        self.write("levels", f"{networks} {anchors}")

    def requests(self):
        return int(self.count.read_text())

    def search(self, *arguments):
        return self.ok("search", "--device", "fake", "--latency", "80%", "--no-baselines", *arguments)

    def visits(self):
        return [json.loads(line) for line in (self.folder / "devices/fake/finalists.jsonl").read_text().splitlines()]

    def test_a_winner_is_measured_and_what_was_measured_is_kept(self):
        self.search()
        result = self.result()
        truth = formula_ms(result["architecture"])
        self.assertLess(abs(result["measured_latency_ms"] / truth - 1), 0.02)
        requests, visits = self.requests(), self.visits()
        self.assertGreater(len(visits), 0)
        # Twice as slow now: what is known is not measured again, so the same search ends the same.
        self.levels(2, 2)
        self.search()
        self.assertEqual(self.visits(), visits)
        self.assertEqual(self.requests(), requests)
        self.assertEqual(self.result(2)["measured_latency_ms"], result["measured_latency_ms"])

    def test_what_slows_networks_and_anchors_alike_is_divided_out(self):
        self.levels(1.4, 1.4)
        self.search()
        result = self.result()
        self.assertLess(abs(result["measured_latency_ms"] / formula_ms(result["architecture"]) - 1), 0.02)
        self.assertGreater(self.visits()[0]["quiet_ms"], 1.3 * self.visits()[0]["total_ms"])

    def test_anchors_that_alone_are_slow_make_no_network_faster(self):
        self.levels(1, 1.3)
        self.search()
        result = self.result()
        truth = formula_ms(result["architecture"])
        # Divided by the anchors' slow-down it would be 0.77 of the truth.
        self.assertLess(abs(result["measured_latency_ms"] / truth - 1), 0.03)
        # The range stays open, so more visits were made than two.
        of_winner = [visit for visit in self.visits() if visit["architecture"] == result["architecture"]]
        self.assertGreater(len(of_winner), 2)

    def test_damaged_lines_of_earlier_visits_are_left_out(self):
        self.search()
        with open(self.folder / "devices/fake/finalists.jsonl", "a") as file:
            file.write('{"set": "x", "id": 3}\n{"half\n')
        done = self.hat("search", "--device", "fake", "--latency", "80%", "--no-baselines")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 lines that are damaged", done.stderr)
        self.assertEqual(self.result(2)["measured_latency_ms"], self.result()["measured_latency_ms"])

    def check_budgets(self):
        out = self.ok("search", "--device", "fake", "--check-budgets", "4", "--evaluations", "60", "--json")
        return json.loads(out)

    def test_budgets_are_kept_on_a_steady_device(self):
        check = self.check_budgets()
        self.assertEqual(check["kept"] + check["refused"], 4)
        self.assertGreater(check["kept"], 0)
        self.assertEqual(check["open"], 0)
        for row in check["rows"]:
            if "id" in row:
                self.assertLess(abs(row["measured_again_ms"] / formula_ms(row["architecture"]) - 1), 0.02)
                self.assertLessEqual(row["measured_again_most_ms"], row["budget_ms"])

    def test_a_budget_is_not_called_kept_where_anchors_explain_too_much(self):
        self.levels(1.3, 1.3)
        check = self.check_budgets()
        # The networks were as slow as the anchors: nobody can say whether that is their own time.
        for row in check["rows"]:
            if "id" not in row:
                continue
            self.assertGreater(row["measured_again_most_ms"], 1.25 * formula_ms(row["architecture"]))
            self.assertLess(row["measured_again_ms"], 1.03 * formula_ms(row["architecture"]))
            self.assertEqual(row["kept"], row["measured_again_most_ms"] <= row["budget_ms"])
            self.assertEqual(row["open"], not row["kept"])
        self.assertEqual(check["kept"] + check["open"] + check["refused"], 4)
        self.assertGreater(check["open"], 0)


if __name__ == "__main__":
    program.main()
