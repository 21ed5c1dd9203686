"""hat describe, import and config, and what all commands have in common."""

import json
import re

import program


class Everywhere(program.ProgramTest):
    def commands(self):
        text = self.ok("--help")
        return re.findall(r"^  ([a-z][a-z-]+)  ", text, re.M)

    def test_every_help_answers_and_has_examples(self):
        names = self.commands()
        self.assertIn("describe", names)
        for name in names:
            with self.subTest(command=name):
                text = self.ok(name, "--help")
                self.assertRegex(text, r"Examples?:\n +(echo .*\| )?hat " + name)
                self.assertLessEqual(max(map(len, text.splitlines())), 120)

    def test_mistakes_on_the_command_line_are_usage_errors(self):
        self.assertIn("hat describe", self.refused(2, "descrbe"))
        self.refused(2, "describe", "--no-such-flag")
        self.refused(2, "describe")
        self.refused(2)

    def test_commands_outside_a_workspace_say_how_to_make_one(self):
        self.assertIn("hat init", self.refused(2, "config"))

    def test_overrides_are_checked(self):
        self.write("hat.json", "{}")
        self.assertIn("train.dropout = 0.2", self.ok("config", "--set", "train.dropout=0.2"))
        self.assertIn("did you mean 'train.dropout'", self.refused(2, "config", "--set", "train.dropuot=1").lower())
        self.assertIn("0 to 0.9", self.refused(2, "config", "--set", "train.dropout=7"))
        self.assertIn("key=value", self.refused(2, "config", "--set", "seed"))
        out = self.ok("config", "--seed", "7")
        self.assertRegex(out, r"seed = 7 +# flag --seed")

    def test_wrong_workspace_files(self):
        self.write("hat.json", '{"version": 99}')
        self.assertIn("version 99", self.refused(2, "config"))
        self.write("hat.json", '{"seed": "one"}')
        self.assertIn("seed", self.refused(2, "config"))
        self.write("hat.json", '{"seed": 1,}}')
        self.assertIn("line 1", self.refused(2, "config"))


class Describe(program.ProgramTest):
    YAML = """
encoder-embed-dim-subtransformer: 512
decoder-embed-dim-subtransformer: 512
encoder-ffn-embed-dim-all-subtransformer: [3072, 3072, 3072, 2048, 3072, 3072]
decoder-ffn-embed-dim-all-subtransformer: [1024, 2048, 3072]
encoder-layer-num-subtransformer: 6
decoder-layer-num-subtransformer: 3
encoder-self-attention-heads-all-subtransformer: [8, 8, 8, 8, 8, 4]
decoder-self-attention-heads-all-subtransformer: [4, 8, 8]
decoder-ende-attention-heads-all-subtransformer: [4, 8, 8]
decoder-arbitrary-ende-attn-all-subtransformer: [-1, 1, -1]
"""

    def test_the_originals_yaml_and_our_json_agree(self):
        yaml = self.write("sub.yml", self.YAML)
        first = json.loads(self.ok("describe", "--arch", yaml, "--json"))
        # 36.77 M and 2.26 G in the original's table of results.
        self.assertEqual(round(first["parameters_without_embeddings"] / 1e6, 2), 36.77)
        self.assertAlmostEqual(first["flops_original"] / 1e9, 2.26, delta=0.01)
        self.ok("import", yaml, "-o", "sub.json")
        second = json.loads(self.ok("describe", "--arch", "sub.json", "--json"))
        self.assertEqual(first, second)
        self.refused(2, "import", yaml, "-o", "sub.json")  # never overwrites

    def test_spaces(self):
        text = self.ok("describe", "--space", "wmt")
        self.assertIn("417,846,678,672,384", text)
        names = self.ok("describe", "--spaces").split()
        for name in names:
            self.assertIn(f"space {name}", self.ok("describe", "--space", name))
        self.assertIn("Did you mean 'small'?", self.refused(2, "describe", "--space", "smal"))
        self.refused(3, "describe", "--space", "./nothing.json")

    def test_missing_and_broken_files(self):
        self.refused(3, "describe", "--arch", "nothing.json")
        self.write("broken.json", "{")
        self.refused(2, "describe", "--arch", "broken.json")

    def test_documentation_of_the_keys_is_fresh(self):
        fresh = self.ok("config", "--docs")
        stored = (program.SOURCE / "docs" / "config.md").read_text()
        self.assertEqual(fresh, stored, "run: hat config --docs > docs/config.md")


if __name__ == "__main__":
    program.main()
