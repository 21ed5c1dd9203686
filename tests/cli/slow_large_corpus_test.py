"""A corpus of five million pairs is generated and prepared in less than 2 GiB of memory."""

import json
import resource

import program


class LargeCorpus(program.ProgramTest):
    def test_memory_stays_bounded(self):
        self.ok("init", "--demo", "--pairs", "5000000", timeout=1800)
        report = json.loads(self.ok("prepare", "--json", timeout=1800))
        self.assertEqual(report["splits"]["train"]["kept"], 5000000)
        peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self.assertLess(peak_kib, 2 << 20)


if __name__ == "__main__":
    program.main()
