"""hat init, hat prepare and the scoring of text files by hat evaluate."""

import json
import unittest

import program


class Workspaces(program.ProgramTest):
    def corpus(self, name="train", german="ein Hund\nzwei Katzen\n", english="a dog\ntwo cats\n"):
        self.write(f"{name}.de", german, "wb" if isinstance(german, bytes) else "w")
        self.write(f"{name}.en", english, "wb" if isinstance(english, bytes) else "w")

    def init(self, *more):
        return ("init", "--source", "de", "--target", "en", "--train", "train", "--valid", "valid", *more)

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())

    def test_demo_from_nothing_to_token_files(self):
        text = self.ok("init", "--demo", "--pairs", "500")
        self.assertIn("Next: hat prepare", text)
        config = json.loads((self.folder / "hat.json").read_text())
        self.assertEqual(config["task"]["train"], "text/train")
        self.assertEqual(set(config["train"]), {"max_minutes", "batch_tokens"})  # the demo's own effort
        self.assertNotIn("decode", config)  # only what differs from the defaults
        text = self.ok("prepare")
        self.assertIn("Next: hat train-super", text)
        made = sorted(path.name for path in (self.folder / "data").iterdir())
        for name in ("train.bin", "train.idx", "tokenizer.model", "data.json", "config.json", "env.json"):
            self.assertIn(name, made)
        report = json.loads(self.ok("prepare", "--json", "--set", "prepare.joint_vocabulary=false"))
        self.assertEqual(report["splits"]["train"]["kept"], 500)
        self.assertEqual(report["tokenizers"], ["tokenizer.de.model", "tokenizer.en.model"])
        self.assertEqual(self.names(), ["data", "hat.json", "text"])

    def test_demo_is_seeded(self):
        for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
            self.ok("init", "--demo", "--pairs", "200", "--seed", seed, "-C", folder)
        texts = [(self.folder / f / "text" / "train.de").read_bytes() for f in "abc"]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    def test_init_describes_what_it_found(self):
        self.corpus()
        self.corpus("valid", "ein Vogel\n", "a bird\n")
        self.corpus("test", "ein Hund\nein Ei\n", "a dog\nan egg\n")
        text = self.ok(*self.init("--test", "test"))
        self.assertIn("German to English", text)
        self.assertIn("1 of 2 test pairs (50.0 %) are in train too", text)
        self.refused(2, *self.init())  # never over an existing workspace
        report = json.loads(self.ok(*self.init("--test", "test", "--force", "--json")))
        self.assertEqual(report["splits"]["train"]["pairs"], 2)

    def test_init_takes_one_of_the_two_files_for_the_prefix(self):
        self.corpus()
        self.corpus("valid", "ein Vogel\n", "a bird\n")
        self.ok("init", "--source", "de", "--target", "en", "--train", "train.de", "--valid", "valid.en")
        self.assertEqual(json.loads((self.folder / "hat.json").read_text())["task"]["train"], "train")

    def test_bad_text_is_refused_and_leaves_nothing(self):
        valid = ("valid", "ein Vogel\n", "a bird\n")
        cases = [
            (("train", "eins\nzwei\n", "one\n"), "2 lines"),
            (("train", "eins\n", ""), "empty"),
            (("train", "eins\n", "\n"), "every line is empty"),
            (("train", b"eins\n\xff\n", "one\ntwo\n"), "train.de: line 2 is not UTF-8"),
            (("train", "eins\n", "eins\n"), "same text"),
            (("train", "ein Vogel\n", "a bird\n"), "validation and train are the same text"),
        ]
        for corpus, message in cases:
            with self.subTest(message):
                self.corpus(*valid)
                self.corpus(*corpus)
                self.assertIn(message, self.refused(3, *self.init()))
                self.assertNotIn("hat.json", self.names())
        (self.folder / "train.en").unlink()
        self.assertIn("train.en", self.refused(3, *self.init()))
        self.assertIn("--train is missing", self.refused(2, "init", "--source", "de", "--target", "en"))
        self.refused(2, "init", "--demo", "--train", "x")
        self.refused(2, "init", "--demo", "--pairs", "0")
        self.refused(2, *self.init("--set", "prepare.vocabulry_size=5"))
        self.assertNotIn("hat.json", self.names())

    def test_prepare_refuses_what_cannot_be_and_keeps_the_old_data(self):
        self.ok("init", "--demo", "--pairs", "300")
        self.assertIn("at most", self.refused(2, "prepare", "--vocabulary", "50000"))
        self.assertEqual(self.names(), ["hat.json", "text"])
        self.ok("prepare")
        before = (self.folder / "data" / "data.json").read_bytes()
        self.refused(2, "prepare", "--tokenizer", "nothing.model")
        self.write("bad.model", "no model")
        self.assertIn("bad.model", self.refused(3, "prepare", "--tokenizer", "bad.model"))
        (self.folder / "text" / "valid.en").write_text("one line\n")
        self.refused(3, "prepare")
        self.assertEqual(before, (self.folder / "data" / "data.json").read_bytes())
        self.assertEqual(self.names(), ["bad.model", "data", "hat.json", "text"])

    def test_classification(self):
        self.write("train.tsv", "good\tI like it\nbad\tawful thing\n" * 30)
        self.write("valid.tsv", "good\tfine\nbad\tno\n")
        text = self.ok("init", "--task", "classification", "--train", "train.tsv", "--valid", "valid.tsv")
        self.assertIn("2 classes", text)
        report = json.loads(self.ok("prepare", "--json"))
        self.assertEqual(report["labels"], ["bad", "good"])
        self.write("valid.tsv", "ugly\tfine\n")
        self.assertIn("line 1 has the label 'ugly'", self.refused(3, "prepare"))

    @unittest.skipUnless((program.SHARED / "data").exists(), "no shared data")
    def test_shared_data(self):
        data = program.SHARED / "data" / "smoke"
        self.ok("init", "--source", "de", "--target", "en", "--train", data / "mt.train", "--valid",
                data / "mt.valid", "--test", data / "mt.test")
        report = json.loads(self.ok("prepare", "--json"))
        self.assertEqual(report["splits"]["test"]["kept"], 200)
        self.assertLess(report["padding_share"], 0.2)


class Evaluate(program.ProgramTest):
    def test_prints_the_lines_of_sacrebleu(self):
        self.write("hyp", "The dog bit the man.\nIt wasn't surprising.\nThe man had just bitten him.\n")
        self.write("ref1", "The dog bit the man.\nIt was not unexpected.\nThe man bit him first.\n")
        self.write("ref2", "The dog had bit the man.\nNo one was surprised.\nThe man had bitten the dog.\n")
        text = self.ok("evaluate", "--hyp", "hyp", "--ref", "ref1", "--ref", "ref2")
        # sacrebleu ref1 ref2 -i hyp -m bleu -w 2 -f text
        self.assertIn("BLEU|nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 48.53 "
                      "82.4/50.0/45.5/37.5 (BP = 0.943 ratio = 0.944 hyp_len = 17 ref_len = 18)", text)
        report = json.loads(self.ok("evaluate", "--hyp", "-", "--ref", "ref1", "--json", "--tokenize", "none",
                                    stdin=(self.folder / "ref1").read_text()))
        self.assertAlmostEqual(report["bleu"]["score"], 100)
        self.assertAlmostEqual(report["chrf"]["score"], 100)
        self.assertEqual(report["bleu"]["signature"],
                         "nrefs:1|case:mixed|eff:no|tok:none|smooth:exp|version:2.6.0")

    def test_refuses_files_that_do_not_belong_together(self):
        self.write("hyp", "a\nb\n")
        self.write("ref", "a\n")
        self.write("empty", "")
        self.assertIn("hyp has 2 lines, ref has 1", self.refused(3, "evaluate", "--hyp", "hyp", "--ref", "ref"))
        self.refused(3, "evaluate", "--hyp", "empty", "--ref", "empty")
        self.refused(3, "evaluate", "--hyp", "hyp", "--ref", "none")
        self.refused(2, "evaluate", "--hyp", "hyp")
        self.refused(2, "evaluate", "--hyp", "hyp", "--ref", "ref", "--tokenize", "13b")


if __name__ == "__main__":
    program.main()
