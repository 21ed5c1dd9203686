#include "commands.h"
#include "hat/arch/search_space.h"
#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "hat/edge/bench.h"
#include "torch_commands.h"
#include "train_options.h"

namespace hat::cli {
namespace {

struct Options {
  std::string model;
  std::string arch;
  std::string space;
  std::string precision = "int8";
  int vocabulary = 32000;
  int shortlist = 0;
  int samples = 10;
  double time_limit_s = 60;
  bool no_bandwidth = false;
  bool json = false;
  bool products = false;
  edge::BenchOptions bench;
  bool train = false;
  TrainBenchFlags training;
  ScoreBenchFlags scores;
};

/// int8 against fp32 over sampled architectures of a space.
void compare(const Options& o) {
  const auto space = arch::SearchSpace::named(o.space);
  Rng rng(o.bench.seed, "bench samples");
  std::vector<arch::Architecture> architectures = {space.smallest(), space.largest()};
  for (int i = 0; i < o.samples; ++i) architectures.push_back(space.decode(space.sample(rng)));
  const auto result = edge::compare_precisions(architectures, space.options(), o.bench);
  if (o.json) {
    print_json(result);
    return;
  }
  std::string out = "architecture      beam   int8 ms   fp32 ms   ratio\n";
  for (const auto& row : result["rows"]) {
    out +=
        str(row["architecture_id"].get<std::string>(), "  ", row["beam"].get<int>(), "      ",
            fixed(row["int8_ms"].get<double>(), 2), "   ", fixed(row["fp32_ms"].get<double>(), 2),
            "   ", fixed(row["ratio"].get<double>(), 3), "\n");
  }
  print(out + str("worst ratio ", fixed(result["worst_ratio"].get<double>(), 3), "  (isa ",
                  result["isa"].get<std::string>(), ", threads ", result["threads"].get<int>(),
                  ")\n"));
}

std::shared_ptr<const edge::Model> open_model(Options& o, double* load_ms) {
  std::shared_ptr<const edge::Model> model;
  if (!o.model.empty()) {
    const double begin = wall_ms();
    model = edge::Model::load(o.model);
    *load_ms = wall_ms() - begin;
    o.bench.workload.vocabulary = model->vocabulary();
    return model;
  }
  const auto spec =
      edge::random_model_spec(arch::load_architecture(o.arch), {},
                              arch::parse_precision(o.precision), o.bench.workload, o.shortlist);
  auto bytes = edge::build_model(spec, edge::random_tensor_source(spec, o.bench.seed));
  const double begin = wall_ms();
  model = edge::Model::from_bytes(std::move(bytes), "random weights");
  *load_ms = wall_ms() - begin;
  return model;
}

void run_training(Options& o) {
  HAT_CHECK(!o.train || o.training.width % o.training.heads == 0, ErrorKind::kUsage,
            "--heads does not divide --width");
  o.training.json = o.json;
  o.training.seconds = o.time_limit_s;
  run_train_bench(o.training);
}

void run(Options o) {
  const int subjects = !o.model.empty() + !o.arch.empty() + !o.space.empty() + o.products +
                       o.train + !o.training.space.empty() + !o.scores.space.empty();
  HAT_CHECK(
      subjects == 1, ErrorKind::kUsage,
      "give a model file, --arch FILE, --compare-precisions SPACE, --products, --train, --elastic "
      "SPACE or --scores SPACE, one of them");
  if (o.train || !o.training.space.empty()) {
    run_training(o);
    return;
  }
  if (!o.scores.space.empty()) {
    o.scores.vocabulary = o.training.vocabulary;
    o.scores.precision = o.training.precision;
    o.scores.threads = o.training.threads;
    o.scores.json = o.json;
    run_score_bench(o.scores);
    return;
  }
  if (o.products) {
    const auto result = edge::time_products(arch::parse_precision(o.precision), o.bench.threads);
    if (o.json) {
      print_json(result);
    } else {
      print(edge::products_table(result));
    }
    return;
  }
  o.bench.bandwidth = !o.no_bandwidth;
  o.bench.time_limit_ms = 1e3 * o.time_limit_s;
  o.bench.workload.vocabulary = {o.vocabulary, o.vocabulary};
  if (!o.space.empty()) {
    compare(o);
    return;
  }
  double load_ms = 0;
  const auto model = open_model(o, &load_ms);
  const auto result = edge::run_bench(model, load_ms, o.bench);
  if (o.json) {
    print_json(result);
  } else {
    print(edge::bench_table(result));
  }
}

void declare(CLI::App& app, const std::shared_ptr<Options>& o) {
  auto& bench = o->bench;
  auto& workload = bench.workload;
  app.add_option("model", o->model, "A model file")->type_name("FILE");
  app.add_option("--arch", o->arch, "An architecture: random weights")->type_name("FILE");
  app.add_option("--compare-precisions", o->space,
                 "Time int8 against fp32 over sampled architectures of a space")
      ->type_name("SPACE");
  app.add_option("--samples", o->samples, "Architectures sampled for that [10]")
      ->check(CLI::Range(0, 1000));
  app.add_flag("--products", o->products, "Time the matrix products of a Transformer base alone");
  app.add_option("--precision", o->precision,
                 "fp32, int8 or int4, with --arch or --products [int8]");
  app.add_option("--vocab", o->vocabulary, "Words of each language, with --arch [32000]")
      ->check(CLI::Range(8, 1'000'000));
  app.add_option("--shortlist", o->shortlist, "Words of the output layer; 0: all [0]")
      ->check(CLI::Range(0, 1'000'000));
  app.add_option("--batch", workload.batch, "Sentences at once [1]")->check(CLI::Range(1, 4096));
  app.add_flag("--mixed", bench.mixed, "Sentences of half to one and a half of --source");
  app.add_option("--beam", workload.beam, "Hypotheses a sentence [5]")->check(CLI::Range(1, 64));
  app.add_option("--source", workload.source_length, "Source tokens, end included [30]")
      ->check(CLI::Range(1, 1024));
  app.add_option("--steps", workload.target_length, "Decoder steps [30]")
      ->check(CLI::Range(1, 1024));
  app.add_option("--threads", bench.threads, "Threads [1]")->check(CLI::Range(1, 256));
  app.add_option("--warmup", bench.warmup, "Runs before the timed ones [3]")
      ->check(CLI::Range(0, 1000));
  app.add_option("--repetitions", bench.repetitions, "Timed runs [20]")
      ->check(CLI::Range(1, 10'000));
  app.add_option("--time-limit", o->time_limit_s, "Stop after so many seconds [60]")
      ->check(CLI::Range(0.001, 3600.0));
  app.add_option("--seed", bench.seed, "Of random weights and words [1]");
  TrainBenchFlags& training = o->training;
  app.add_flag("--train", o->train,
               "Time training instead: hat's trainer, a plain LibTorch loop, the bare products");
  app.add_option("--elastic", training.space,
                 "Time updates of a space's SuperTransformer instead, beside its smallest network "
                 "alone")
      ->type_name("SPACE");
  app.add_option("--scores", o->scores.space,
                 "Time the scoring of a search instead, against a whole validation pass a network")
      ->type_name("SPACE");
  app.add_option("--layers", training.layers, "With --train: layers of each stack [6]")
      ->check(CLI::Range(1, 48));
  app.add_option("--width", training.width, "With --train: embedding and attention width [512]")
      ->check(CLI::Range(8, 8192));
  app.add_option("--ffn", training.ffn_dim, "With --train: inner feed-forward width [2048]")
      ->check(CLI::Range(8, 32768));
  app.add_option("--heads", training.heads, "With --train: attention heads [8]")
      ->check(CLI::Range(1, 128));
  app.add_option("--words", training.vocabulary,
                 "With --train, --elastic, --scores: vocabulary [10000]")
      ->check(CLI::Range(16, 1 << 20));
  app.add_option("--batch-tokens", training.batch_tokens,
                 "With --train, --elastic: padded tokens in a batch [2048]")
      ->check(CLI::Range(64, 1 << 20));
  app.add_option("--compute", training.precision,
                 "With --train, --elastic, --scores: auto, fp32 or bf16 [auto]")
      ->check(CLI::IsMember({"auto", "fp32", "bf16"}));
  app.add_option("--train-threads", training.threads,
                 "With --train, --elastic, --scores: threads; 0: all cores [0]")
      ->check(CLI::Range(0, 1024));
  app.add_flag("--no-bandwidth", o->no_bandwidth, "Do not measure the read bandwidth");
  app.add_flag("--json", o->json, "Print JSON");
}

}  // namespace

Command bench_command() {
  auto options = std::make_shared<Options>();
  return {"bench",
          kDeviceGroup,
          "Time a model file or an architecture with random weights on this machine",
          "Warm-up, repetitions, encoder and decoder apart, CPU time, memory, and the bandwidth of "
          "the\n"
          "weights against the machine's own, measured in the same run. `hat-run bench` is the "
          "same on a\n"
          "device; scripts/bench_peers.sh compares with other runtimes.\n\n"
          "Examples:\n"
          "  hat bench model.hat\n"
          "  hat bench --arch base.json --precision int8 --vocab 32000 --beam 5 --source 30 "
          "--steps 30\n"
          "  hat bench --compare-precisions wmt --samples 10\n"
          "  hat bench --train --width 256 --ffn 1024 --layers 4\n"
          "  hat bench --elastic wmt --words 32000 --batch-tokens 4096\n",
          [options](CLI::App& app) { declare(app, options); },
          [options] { run(*options); }};
}

}  // namespace hat::cli
