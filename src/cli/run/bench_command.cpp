#include "arguments.h"
#include "commands.h"
#include "hat/arch/search_space.h"
#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/file.h"
#include "hat/edge/bench.h"

namespace hat::run {
namespace {

struct Options {
  std::string model;
  std::string arch;
  std::string save;
  std::string precision = "int8";
  int vocabulary = 32000;
  int shortlist = 0;
  bool separate_embeddings = false;
  bool pre_norm = false;
  bool json = false;
  bool products = false;
  bool no_bandwidth = false;
  int seed = 1;
  double time_limit_s = 60;
  edge::BenchOptions bench;
};

void declare(Arguments& args, Options& o) {
  args.positional("MODEL", "a model file; without it --arch is needed", &o.model);
  args.text("arch", "FILE", "architecture (hat's JSON or the original's YAML): random weights",
            &o.arch);
  args.flag("products", "time the matrix products of a Transformer base alone", &o.products);
  args.text("precision", "P", "fp32, int8 or int4, with --arch or --products [int8]", &o.precision);
  args.number("vocab", "words of source and target, with --arch", 8, 1'000'000, &o.vocabulary);
  args.number("shortlist", "words of the output layer that are computed, with --arch; 0: all", 0,
              1'000'000, &o.shortlist);
  args.flag("separate-embeddings", "three word tables in place of one, with --arch",
            &o.separate_embeddings);
  args.flag("pre-norm", "layer norm before each block, with --arch", &o.pre_norm);
  args.number("batch", "sentences at once", 1, 4096, &o.bench.workload.batch);
  args.flag("mixed", "sentences of half to one and a half of --source", &o.bench.mixed);
  args.number("beam", "hypotheses a sentence", 1, 64, &o.bench.workload.beam);
  args.number("source", "tokens of a sentence, its end included", 1, 1024,
              &o.bench.workload.source_length);
  args.number("steps", "decoder steps", 1, 1024, &o.bench.workload.target_length);
  args.number("threads", "threads", 1, 256, &o.bench.threads);
  args.number("warmup", "runs before the timed ones", 0, 1000, &o.bench.warmup);
  args.number("repetitions", "timed runs", 1, 10000, &o.bench.repetitions);
  args.real("time-limit", "stop after this many seconds", 0.001, 3600, &o.time_limit_s);
  args.number("seed", "of random weights and words", 0, 2'000'000'000, &o.seed);
  args.text("save", "FILE", "keep the network with random weights as a model file, with --arch",
            &o.save);
  args.flag("no-bandwidth", "do not measure the machine's read bandwidth", &o.no_bandwidth);
  args.flag("json", "print JSON", &o.json);
}

}  // namespace

int bench_command(const Args& arguments) {
  Options o;
  Arguments args("bench",
                 "Times translation: warm-up, repetitions, encoder and decoder apart, CPU time, "
                 "memory and bandwidth.\nExample: hat-run bench --arch base.json --precision int8 "
                 "--vocab 32000 --beam 5 --source 30 --steps 30");
  declare(args, o);
  std::string help;
  if (!args.parse(arguments, &help)) {
    print(help);
    return 0;
  }
  HAT_CHECK(o.save.empty() || !o.arch.empty(), ErrorKind::kUsage, "--save needs --arch");
  HAT_CHECK(!o.model.empty() + !o.arch.empty() + o.products == 1, ErrorKind::kUsage,
            "give a model file, --arch FILE or --products, one of them");
  if (o.products) {
    const auto result = edge::time_products(arch::parse_precision(o.precision), o.bench.threads);
    print(o.json ? result.dump(2) + "\n" : edge::products_table(result));
    return 0;
  }
  o.bench.seed = static_cast<uint64_t>(o.seed);
  o.bench.bandwidth = !o.no_bandwidth;
  o.bench.time_limit_ms = 1e3 * o.time_limit_s;

  std::shared_ptr<const edge::Model> model;
  double load_ms = 0;
  if (o.model.empty()) {
    auto& workload = o.bench.workload;
    workload.vocabulary = {o.vocabulary, o.vocabulary};
    arch::ModelOptions options;
    options.pre_norm = o.pre_norm;
    if (o.separate_embeddings) options.embeddings = arch::ModelOptions::Embeddings::kSeparate;
    const auto spec =
        edge::random_model_spec(arch::load_architecture(o.arch), options,
                                arch::parse_precision(o.precision), workload, o.shortlist);
    auto bytes = edge::build_model(spec, edge::random_tensor_source(spec, o.bench.seed));
    if (!o.save.empty()) {
      const auto view = bytes.bytes();
      write_file_atomic(o.save, {reinterpret_cast<const char*>(view.data()), view.size()});
    }
    const double begin = wall_ms();
    model = edge::Model::from_bytes(std::move(bytes), "random weights");
    load_ms = wall_ms() - begin;
  } else {
    const double begin = wall_ms();
    model = edge::Model::load(o.model);
    load_ms = wall_ms() - begin;
    o.bench.workload.vocabulary = model->vocabulary();
  }
  const auto result = edge::run_bench(model, load_ms, o.bench);
  print(o.json ? result.dump(2) + "\n" : edge::bench_table(result));
  return 0;
}

}  // namespace hat::run
