#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <numbers>

#include "hat/base/file.h"
#include "hat/base/process.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"
#include "hat/model/transformer.h"
#include "hat/tensor/safetensors.h"
#include "hat/train/adam.h"
#include "hat/train/schedule.h"
#include "testing/shared_data.h"
#include "train/stepper.h"

// Updates recorded from the original (set E of the parity folder): architecture, batches, learning
// rate, loss and gradient norm of each, and all weights afterwards. Tolerances: parity/README.md.
namespace hat::train {
namespace {

constexpr double kLossTolerance = 1e-5;    // relative
constexpr double kNormTolerance = 1e-4;    // relative
constexpr double kWeightTolerance = 5e-4;  // absolute
constexpr double kRateTolerance = 1e-12;   // relative

// Replays the recorded architectures.
class Recorded : public Strategy {
 public:
  explicit Recorded(std::vector<arch::Architecture> architectures)
      : architectures_(std::move(architectures)) {}
  std::vector<Path> paths(int64_t update) const override {
    return {{architectures_.at(static_cast<size_t>(update))}};
  }
  int passes() const override { return 1; }
  std::string name() const override { return "recorded"; }

 private:
  std::vector<arch::Architecture> architectures_;
};

at::Tensor token_matrix(const tensor::SafetensorsFile& file, const std::string& name) {
  const std::vector<int64_t> values = file.integers(name);
  return at::tensor(values, at::kLong).view(file.at(name).shape);
}

arch::Architecture super_of(const config::Json& set, int qkv_dim) {
  const config::Json& s = set["super"];
  arch::Architecture a;
  a.encoder_embed_dim = s["encoder_embed_dim"];
  a.decoder_embed_dim = s["decoder_embed_dim"];
  const int heads = s["encoder_attention_heads"];
  a.encoder.assign(s["encoder_layers"].get<size_t>(),
                   {s["encoder_ffn_embed_dim"].get<int>(), heads, qkv_dim});
  a.decoder.assign(s["decoder_layers"].get<size_t>(),
                   {s["decoder_ffn_embed_dim"].get<int>(), heads, qkv_dim, heads, qkv_dim, 1});
  return a;
}

std::unique_ptr<model::Transformer> network_of(const config::Json& set) {
  const config::Json& s = set["super"];
  model::NetworkSpec spec;
  spec.capacities = super_of(set, s["qkv_dim"]);
  spec.options.compat = true;
  spec.options.pre_norm = s["normalize_before"][0];
  spec.options.embeddings = s["share_all_embeddings"] ? arch::ModelOptions::Embeddings::kShared
                            : s["share_decoder_input_output_embed"]
                                ? arch::ModelOptions::Embeddings::kDecoder
                                : arch::ModelOptions::Embeddings::kSeparate;
  spec.options.activation = s["activation_fn"];
  spec.vocabulary = {set["vocab"], set["vocab"]};
  spec.options.max_positions = s["max_positions"];
  spec.options.scale_embeddings_by_super = s["vocab_original_scaling"];
  return std::make_unique<model::Transformer>(spec);
}

TEST(ParitySteps, EightUpdatesOfTheOriginal) {
  const fs::path folder = testing::parity_dir() / "E_train_steps";
  if (!fs::exists(folder / "manifest.json")) GTEST_SKIP() << "no set E in the parity folder";
  const config::Json manifest = config::load_json(folder / "manifest.json");
  const fs::path initial = folder / manifest["initial_weights"].get<std::string>();
  const config::Json set = config::load_json(initial.parent_path() / "manifest.json");
  const auto network = network_of(set);
  model::load_weights(*network, initial);
  const tensor::SafetensorsFile batches(folder / manifest["tensor_file"].get<std::string>());

  const config::Json& o = manifest["optimizer"];
  Adam adam({o["betas"][0], o["betas"][1], o["eps"], o["weight_decay"]},
            network->parameters().values().numel(), network->parameters().size());
  const config::Json& rate = manifest["schedule"];
  Schedule schedule;
  schedule.kind = parse_schedule(rate["kind"]);
  schedule.peak = rate["lr"];
  schedule.initial = rate["warmup_init_lr"];
  schedule.warmup_updates = rate["warmup_updates"];
  std::vector<arch::Architecture> architectures;
  for (const config::Json& step : manifest["steps"]) {
    architectures.push_back(
        arch::architecture_from_json(step["config"], "set E", set["super"]["qkv_dim"]));
  }
  const Recorded strategy(architectures);
  Stepper stepper(*network, strategy, adam,
                  {.dropout = {},
                   .label_smoothing = 0.1,
                   .clip_norm = o["clip_norm"],
                   .seed = 1,
                   .whole_tensors = true,
                   .teacher = {}});

  for (const config::Json& step : manifest["steps"]) {
    const int64_t update = step["update"];
    SCOPED_TRACE(update);
    const double lr = step["lr_used"];
    ASSERT_NEAR(schedule.at(update), lr, kRateTolerance * lr);
    std::vector<TensorBatch> parts;
    for (const config::Json& batch : step["batches"]) {
      parts.push_back({token_matrix(batches, batch["src_tokens"]),
                       token_matrix(batches, batch["prev_output_tokens"]),
                       token_matrix(batches, batch["target"]), batch["ntokens"]});
    }
    const UpdateStats stats = stepper.run(update, parts, lr);
    EXPECT_EQ(stats.tokens, step["ntokens"]);
    const double loss = step["loss_per_token_bits"].get<double>() * std::numbers::ln2;
    const double nll = step["nll_per_token_bits"].get<double>() * std::numbers::ln2;
    EXPECT_NEAR(stats.loss, loss, kLossTolerance * loss);
    EXPECT_NEAR(stats.nll, nll, kLossTolerance * loss);
    const double norm = step["grad_norm_before_clip"];
    EXPECT_NEAR(stats.gradient_norm, norm, kNormTolerance * norm);
  }

  const tensor::SafetensorsFile after(folder / manifest["weights_after"].get<std::string>());
  const model::ParameterStore& store = network->parameters();
  double worst_of_all = 0;
  for (int i = 0; i < store.size(); ++i) {
    const std::string& name = store[i].name;
    SCOPED_TRACE(name);
    const std::vector<float> expected = after.floats(name);
    const at::Tensor actual = store.value(i).contiguous();
    ASSERT_EQ(actual.numel(), static_cast<int64_t>(expected.size()));
    double worst = 0;
    for (size_t k = 0; k < expected.size(); ++k) {
      worst = std::max<double>(worst, std::abs(actual.data_ptr<float>()[k] - expected[k]));
    }
    EXPECT_LE(worst, kWeightTolerance);
    worst_of_all = std::max(worst_of_all, worst);
    const config::Json& steps = manifest["adam_step_count_per_param"];
    if (steps.contains(name)) {
      EXPECT_EQ(adam.steps()[static_cast<size_t>(i)], steps[name].get<int64_t>());
    }
  }
  RecordProperty("worst_weight", str(worst_of_all));
}

// The kernels are chosen once a process, so each instruction set gets its own.
TEST(ParitySteps, HoldWithEveryInstructionSet) {
  const std::string self = fs::read_symlink("/proc/self/exe").string();
  for (const char* isa : {"scalar", "avx2", "avx512"}) {
    SCOPED_TRACE(isa);
    setenv("HAT_ISA", isa, 1);
    const auto run = run_process({self, "--gtest_filter=ParitySteps.EightUpdatesOfTheOriginal"});
    EXPECT_EQ(run.exit_code, 0) << run.output << run.error;
  }
  unsetenv("HAT_ISA");
}

}  // namespace
}  // namespace hat::train
