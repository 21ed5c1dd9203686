"""The measuring half of bench_peers.sh: builds the peers' models and times them beside hat-run."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

VOCABULARY = 32000


class Case:
    def __init__(self, name, precision, bar, layers=(6, 6), width=512, ffn=2048, heads=8,
                 vocabulary=VOCABULARY, source=30, steps=30, beam=5, batch=1, threads=1,
                 shortlist=0, onnx=False):
        self.__dict__.update(locals())
        del self.__dict__["self"]

    def architecture(self):
        encoder, decoder = self.layers
        return {
            "encoder_embed_dim": self.width, "encoder_layer_num": encoder,
            "encoder_ffn_embed_dim": [self.ffn] * encoder,
            "encoder_self_attention_heads": [self.heads] * encoder,
            "decoder_embed_dim": self.width, "decoder_layer_num": decoder,
            "decoder_ffn_embed_dim": [self.ffn] * decoder,
            "decoder_self_attention_heads": [self.heads] * decoder,
            "decoder_ende_attention_heads": [self.heads] * decoder,
            "decoder_arbitrary_ende_attn": [-1] * decoder,
        }


IWSLT = dict(ffn=1024, vocabulary=10000, source=23, steps=23, heads=4)
CASES = [
    Case("reference", "int8", 0.45, onnx=True),
    Case("reference-fp32", "fp32", 0.75, onnx=True),
    Case("iwslt", "int8", 0.5, **IWSLT),
    Case("shortlist", "int8", 0.5, shortlist=1000),
    Case("two-threads", "int8", None, threads=2),
    Case("batched", "int8", 1.0, batch=64, beam=4, threads=2),
]


# --- CTranslate2 -----------------------------------------------------------------------------------

def weights(random, rows, cols):
    return random.uniform(-1, 1, (rows, cols)).astype(np.float32) * (6 / (rows + cols)) ** 0.5


def fill_linear(spec, random, rows, cols):
    spec.weight = weights(random, rows, cols)
    spec.bias = np.zeros(rows, np.float32)


def fill_norm(spec, width):
    spec.gamma = np.ones(width, np.float32)
    spec.beta = np.zeros(width, np.float32)


def fill_attention(spec, random, width, cross):
    if cross:
        fill_linear(spec.linear[0], random, width, width)
        fill_linear(spec.linear[1], random, 2 * width, width)
        fill_linear(spec.linear[2], random, width, width)
    else:
        fill_linear(spec.linear[0], random, 3 * width, width)
        fill_linear(spec.linear[1], random, width, width)
    fill_norm(spec.layer_norm, width)


def fill_feed_forward(spec, random, width, ffn):
    fill_linear(spec.linear_0, random, ffn, width)
    fill_linear(spec.linear_1, random, width, ffn)
    fill_norm(spec.layer_norm, width)


def ctranslate2_model(case, folder):
    import ctranslate2
    random = np.random.default_rng(1)
    spec = ctranslate2.specs.TransformerSpec.from_config(
        case.layers, case.heads, pre_norm=False, activation=ctranslate2.specs.Activation.RELU)
    table = random.normal(0, case.width ** -0.5, (case.vocabulary, case.width)).astype(np.float32)
    positions = random.uniform(-1, 1, (256, case.width)).astype(np.float32)
    spec.encoder.embeddings[0].weight = table
    spec.encoder.position_encodings.encodings = positions
    spec.decoder.embeddings.weight = table
    spec.decoder.position_encodings.encodings = positions
    for stack in (spec.encoder, spec.decoder):
        stack.scale_embeddings = True
        for layer in stack.layer:
            fill_attention(layer.self_attention, random, case.width, False)
            if stack is spec.decoder:
                fill_attention(layer.attention, random, case.width, True)
            fill_feed_forward(layer.ffn, random, case.width, case.ffn)
    spec.decoder.projection.weight = table
    words = ["<blank>", "<s>", "</s>", "<unk>"] + [f"w{i}" for i in range(case.vocabulary - 4)]
    spec.register_source_vocabulary(words)
    spec.register_target_vocabulary(words)
    if case.shortlist:
        with open(os.path.join(folder, "map.txt"), "w") as file:
            file.write("\t" + " ".join(words[4:4 + case.shortlist]) + "\n")
        spec.register_vocabulary_mapping(os.path.join(folder, "map.txt"))
    spec.validate()
    spec.optimize(quantization="int8" if case.precision == "int8" else None)
    spec.save(folder)
    return words


class CTranslate2:
    name = "ctranslate2"

    def __init__(self, case, folder, lengths):
        import ctranslate2
        words = ctranslate2_model(case, folder)
        self.translator = ctranslate2.Translator(
            folder, device="cpu", intra_threads=case.threads, inter_threads=1,
            compute_type="int8" if case.precision == "int8" else "float32")
        random = np.random.default_rng(2)
        self.batch = [[words[int(i)] for i in random.integers(4, case.vocabulary, n - 1)] + ["</s>"]
                      for n in lengths]
        self.options = dict(beam_size=case.beam, max_decoding_length=case.steps,
                            min_decoding_length=case.steps, use_vmap=case.shortlist > 0)

    def run(self):
        begin = time.perf_counter()
        self.translator.translate_batch(self.batch, **self.options)
        return (time.perf_counter() - begin) * 1e3


# --- ONNX Runtime: the same products and attention, without beam bookkeeping -------------------------

class Graph:
    """A few lines around onnx.helper: nodes of a transformer with random weights."""

    def __init__(self, case):
        self.case = case
        self.random = np.random.default_rng(3)
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, array):
        import onnx
        name = f"c{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(array), name))
        return name

    def op(self, kind, *inputs, **attributes):
        import onnx
        self.count += 1
        out = f"t{self.count}"
        self.nodes.append(onnx.helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def linear(self, x, rows, cols):
        y = self.op("MatMul", x, self.constant(weights(self.random, cols, rows)))
        return self.op("Add", y, self.constant(np.zeros(rows, np.float32)))

    def norm(self, x):
        width = self.case.width
        return self.op("LayerNormalization", x, self.constant(np.ones(width, np.float32)),
                       self.constant(np.zeros(width, np.float32)), axis=-1, epsilon=1e-5)

    def heads(self, x, order=(0, 2, 1, 3)):
        shape = self.constant(np.array([0, 0, self.case.heads, -1], np.int64))
        return self.op("Transpose", self.op("Reshape", x, shape), perm=order)

    def attend(self, q, keys_t, values):
        size = self.case.width // self.case.heads
        scores = self.op("Mul", self.op("MatMul", q, keys_t),
                         self.constant(np.float32(size ** -0.5)))
        mixed = self.op("MatMul", self.op("Softmax", scores, axis=-1), values)
        mixed = self.op("Transpose", mixed, perm=(0, 2, 1, 3))
        return self.op("Reshape", mixed,
                       self.constant(np.array([0, 0, self.case.width], np.int64)))

    def feed_forward(self, x):
        width, ffn = self.case.width, self.case.ffn
        y = self.linear(self.op("Relu", self.linear(x, ffn, width)), width, ffn)
        return self.norm(self.op("Add", x, y))

    def save(self, path, inputs, outputs):
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
        graph = onnx.helper.make_graph(self.nodes, "net", inputs, outputs, self.constants)
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, path)
        if self.case.precision == "int8":
            quantize_dynamic(path, path + ".int8", weight_type=QuantType.QInt8,
                             op_types_to_quantize=["MatMul"])
            return path + ".int8"
        return path


def tensor_info(name, shape, kind=None):
    import onnx
    return onnx.helper.make_tensor_value_info(name, kind or onnx.TensorProto.FLOAT, shape)


def onnx_encoder(case, path):
    graph = Graph(case)
    width = case.width
    x = "x"
    for _ in range(case.layers[0]):
        q, k, v = (graph.linear(x, width, width) for _ in range(3))
        mixed = graph.attend(graph.heads(q), graph.heads(k, (0, 2, 3, 1)), graph.heads(v))
        x = graph.norm(graph.op("Add", x, graph.linear(mixed, width, width)))
        x = graph.feed_forward(x)
    outputs = []
    for _ in range(case.layers[1]):
        for order in ((0, 2, 3, 1), (0, 2, 1, 3)):
            outputs.append(graph.heads(graph.linear(x, width, width), order))
    return graph.save(path, [tensor_info("x", [1, "s", width])],
                      [tensor_info(name, None) for name in outputs])


def onnx_decoder(case, path):
    graph = Graph(case)
    width, size = case.width, case.width // case.heads
    inputs, outputs = [tensor_info("x", [case.beam, 1, width])], []
    x = "x"
    for i in range(case.layers[1]):
        inputs += [tensor_info(f"k{i}", [case.beam, case.heads, size, "t"]),
                   tensor_info(f"v{i}", [case.beam, case.heads, "t", size]),
                   tensor_info(f"ck{i}", [1, case.heads, size, "s"]),
                   tensor_info(f"cv{i}", [1, case.heads, "s", size])]
        q, k, v = (graph.linear(x, width, width) for _ in range(3))
        keys = graph.op("Concat", f"k{i}", graph.heads(k, (0, 2, 3, 1)), axis=3)
        values = graph.op("Concat", f"v{i}", graph.heads(v), axis=2)
        outputs += [keys, values]
        mixed = graph.attend(graph.heads(q), keys, values)
        x = graph.norm(graph.op("Add", x, graph.linear(mixed, width, width)))
        q = graph.linear(x, width, width)
        mixed = graph.attend(graph.heads(q), f"ck{i}", f"cv{i}")
        x = graph.norm(graph.op("Add", x, graph.linear(mixed, width, width)))
        x = graph.feed_forward(x)
    logits = graph.op("MatMul", x, graph.constant(weights(graph.random, width, case.vocabulary)))
    outputs.append(graph.op("LogSoftmax", logits, axis=-1))
    return graph.save(path, inputs, [tensor_info(name, None) for name in outputs])


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, case, folder):
        import logging
        import onnxruntime
        logging.disable(logging.WARNING)  # the quantiser recommends a step that random weights lack
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = case.threads
        options.inter_op_num_threads = 1
        self.case = case
        load = lambda path: onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        self.encoder = load(onnx_encoder(case, os.path.join(folder, "encoder.onnx")))
        self.decoder = load(onnx_decoder(case, os.path.join(folder, "decoder.onnx")))
        random = np.random.default_rng(4)
        self.source = random.uniform(-1, 1, (1, case.source, case.width)).astype(np.float32)
        self.target = random.uniform(-1, 1, (case.beam, 1, case.width)).astype(np.float32)

    def run(self):
        case, size = self.case, self.case.width // self.case.heads
        begin = time.perf_counter()
        memory = self.encoder.run(None, {"x": self.source})
        feed = {"x": self.target}
        for i in range(case.layers[1]):
            feed[f"k{i}"] = np.zeros((case.beam, case.heads, size, 0), np.float32)
            feed[f"v{i}"] = np.zeros((case.beam, case.heads, 0, size), np.float32)
            feed[f"ck{i}"], feed[f"cv{i}"] = memory[2 * i], memory[2 * i + 1]
        for _ in range(case.steps):
            out = self.decoder.run(None, feed)
            for i in range(case.layers[1]):
                feed[f"k{i}"], feed[f"v{i}"] = out[2 * i], out[2 * i + 1]
        return (time.perf_counter() - begin) * 1e3


# --- hat-run ---------------------------------------------------------------------------------------

class Hat:
    """hat-run bench on a saved model. Batches are of mixed lengths, which the others are given too."""
    name = "hat"
    runs = 2  # of a call, which tells the better

    def __init__(self, case, hat_run, folder):
        self.model = os.path.join(folder, "model.hat")
        self.command = [hat_run, "bench", "--beam", str(case.beam), "--batch", str(case.batch),
                        "--source", str(case.source), "--steps", str(case.steps), "--threads",
                        str(case.threads), "--warmup", "1", "--repetitions", str(self.runs),
                        "--no-bandwidth", "--json"] + ["--mixed"] * (case.batch > 1)
        path = os.path.join(folder, "architecture.json")
        with open(path, "w") as file:
            json.dump(case.architecture(), file)
        first = self.bench("--arch", path, "--precision", case.precision, "--vocab",
                           str(case.vocabulary), "--shortlist", str(case.shortlist), "--save",
                           self.model)
        self.isa = first["isa"]
        self.lengths = first.get("source_lengths", [case.source] * case.batch)

    def bench(self, *arguments):
        return json.loads(subprocess.run([*self.command, *arguments], check=True, text=True,
                                         stdout=subprocess.PIPE).stdout)

    def run(self):
        return self.bench(self.model)["total_ms"]["min"]


def measure(case, hat_run, rounds):
    with tempfile.TemporaryDirectory() as folder:
        hat = Hat(case, hat_run, folder)
        runners = [hat, CTranslate2(case, folder, hat.lengths)]
        if case.onnx:
            runners.append(OnnxRuntime(case, folder))
        times = {runner.name: [] for runner in runners}
        for runner in runners:
            runner.run()
        for _ in range(rounds):
            for runner in runners:
                # The others get as many runs as a call of hat's makes.
                best = runner.run() if runner is hat else min(runner.run() for _ in range(hat.runs))
                times[runner.name].append(best)
    return times, hat.isa


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="names of cases; all when none is given")
    parser.add_argument("--hat-run", required=True)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        for case in CASES:
            print(case.name)
        return
    chosen = [case for case in CASES if not arguments.cases or case.name in arguments.cases]
    records = []
    for case in chosen:
        times, isa = measure(case, arguments.hat_run, arguments.rounds)
        for name, values in times.items():
            record = {"case": case.name, "precision": case.precision, "threads": case.threads,
                      "engine": name, "isa": isa if name == "hat" else "", "min_ms": min(values),
                      "median_ms": statistics.median(values),
                      "ratio_min": min(times["hat"]) / min(values),
                      "ratio_median": statistics.median(times["hat"]) / statistics.median(values),
                      "bar": case.bar if name == "ctranslate2" else None}
            records.append(record)
            if not arguments.json:
                bar = f"  (bar {case.bar})" if record["bar"] else ""
                print(f"{case.name:16} {case.precision:5} {case.threads} thread(s)  {name:12} "
                      f"min {record['min_ms']:8.1f} ms  median {record['median_ms']:8.1f} ms  "
                      f"hat / it: {record['ratio_min']:.2f} / {record['ratio_median']:.2f}{bar}",
                      flush=True)
    if arguments.json:
        print(json.dumps(records, indent=2))


if __name__ == "__main__":
    main()
