#include "hat/model/transformer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <set>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/model/batch.h"
#include "hat/model/beam_search.h"
#include "hat/model/loss.h"
#include "model/parity.h"

namespace hat::model {
namespace {

using testing::max_absolute;
using testing::max_difference;

arch::Architecture super_sizes(bool equal_widths) {
  arch::Architecture a;
  a.encoder_embed_dim = 32;
  a.decoder_embed_dim = equal_widths ? 32 : 24;
  a.encoder.assign(3, {48, 4, 24});
  a.decoder.assign(3, {40, 4, 24, 4, 16, 3});
  return a;
}
arch::Architecture sub_sizes() {
  arch::Architecture a;
  a.encoder_embed_dim = 24;
  a.decoder_embed_dim = 24;
  a.encoder = {{32, 2, 16}, {40, 4, 24}};
  a.decoder = {{40, 2, 16, 4, 8, 2}, {24, 4, 24, 2, 16, 1}};
  return a;
}

struct Options {
  bool compat = false;
  bool pre_norm = false;
  bool equal_widths = true;
  arch::ModelOptions::Embeddings embeddings = arch::ModelOptions::Embeddings::kShared;
};

NetworkSpec small_spec(const Options& options = {}) {
  NetworkSpec spec;
  spec.capacities = super_sizes(options.equal_widths);
  spec.options.compat = options.compat;
  spec.options.pre_norm = options.pre_norm;
  spec.options.embeddings = options.embeddings;
  spec.options.max_positions = 40;
  spec.vocabulary = {50, 50};
  return spec;
}

at::Tensor sentences(uint64_t seed, bool left, int64_t batch = 3, int64_t longest = 9) {
  Rng rng(seed);
  std::vector<std::vector<int32_t>> rows;
  for (int64_t b = 0; b < batch; ++b) {
    const auto length = b == 0 ? longest : 2 + static_cast<int64_t>(rng.below(longest - 1));
    std::vector<int32_t> row;
    for (int64_t t = 0; t + 1 < length; ++t) row.push_back(4 + static_cast<int32_t>(rng.below(46)));
    row.push_back(2);
    rows.push_back(row);
  }
  return pad_tokens({rows.begin(), rows.end()}, left);
}

std::vector<Options> all_options() {
  using Embeddings = arch::ModelOptions::Embeddings;
  std::vector<Options> all;
  for (const bool compat : {false, true})
    for (const bool pre : {false, true})
      for (const bool equal : {false, true})
        for (const Embeddings e :
             {Embeddings::kShared, Embeddings::kDecoder, Embeddings::kSeparate})
          all.push_back({compat, pre, equal, e});
  return all;
}

TEST(Transformer, ExtractedLogitsAreEqualToTheLastBit) {
  for (const Options& options : all_options()) {
    SCOPED_TRACE(::testing::Message() << options.compat << options.pre_norm << options.equal_widths
                                      << static_cast<int>(options.embeddings));
    Transformer super(small_spec(options));
    super.initialize(5);
    const auto alone = super.extract(sub_sizes());
    EXPECT_EQ(alone->parameters().count(),
              arch::parameters(sub_sizes(), super.spec().options, super.spec().vocabulary));
    super.set_architecture(sub_sizes());
    const at::NoGradGuard no_grad;
    const at::Tensor source = sentences(1, true);
    const at::Tensor prev = shift_right(sentences(2, false));
    EXPECT_TRUE(super.forward(source, prev).equal(alone->forward(source, prev)));
  }
}

TEST(Transformer, ExtractedLogitsAreEqualAtRealSizes) {
  NetworkSpec spec = small_spec();
  spec.capacities.encoder_embed_dim = spec.capacities.decoder_embed_dim = 640;
  for (auto& layer : spec.capacities.encoder) layer = {3072, 8, 512};
  for (auto& layer : spec.capacities.decoder) layer = {3072, 8, 512, 8, 512, 3};
  spec.vocabulary = {1003, 1003};
  arch::Architecture sub = spec.capacities;
  sub.encoder_embed_dim = 512;
  sub.decoder_embed_dim = 320;
  for (auto& layer : sub.encoder) layer = {2048, 4, 256};
  sub.decoder = {{1024, 8, 512, 4, 384, 2}, {2048, 4, 128, 8, 512, 1}};
  Transformer super(spec);
  super.initialize(9);
  const auto alone = super.extract(sub);
  super.set_architecture(sub);
  const at::NoGradGuard no_grad;
  for (const int64_t batch : {1, 17}) {
    Rng rng(batch);
    const at::Tensor source = sentences(1, true, batch, 30);
    const at::Tensor prev = shift_right(sentences(2, false, batch, 27));
    EXPECT_TRUE(super.forward(source, prev).equal(alone->forward(source, prev))) << batch;
  }
}

TEST(Transformer, ExtractionOfExtractionIsTheSame) {
  Transformer super(small_spec({true, false, true}));
  super.initialize(5);
  const auto once = super.extract(sub_sizes());
  arch::Architecture smaller = sub_sizes();
  smaller.encoder_embed_dim = 16;
  smaller.decoder.pop_back();
  const auto twice = once->extract(smaller);
  const auto direct = super.extract(smaller);
  EXPECT_TRUE(twice->parameters().values().equal(direct->parameters().values()));
  EXPECT_EQ(twice->spec().super_encoder_embed_dim, 32);
  const at::NoGradGuard no_grad;
  const at::Tensor source = sentences(1, true);
  const at::Tensor prev = shift_right(sentences(2, false));
  EXPECT_TRUE(twice->forward(source, prev).equal(direct->forward(source, prev)));
}

/// Gradients of a sliced SuperTransformer are those of the extracted network, dropout included.
TEST(Transformer, SliceGradientsAreThoseOfTheExtractedNetwork) {
  for (const Options& options : all_options()) {
    SCOPED_TRACE(::testing::Message() << options.compat << options.pre_norm << options.equal_widths
                                      << static_cast<int>(options.embeddings));
    Transformer super(small_spec(options));
    super.initialize(5);
    const auto alone = super.extract(sub_sizes());
    super.set_architecture(sub_sizes());
    const at::Tensor source = sentences(1, true);
    const at::Tensor target = sentences(2, false);
    const Pass pass{true, {0.2, 0.1, 0.1}, {1, 2, 3}};
    for (Transformer* net : {&super, alone.get()}) {
      const at::Tensor hidden = net->decode(shift_right(target), net->encode(source, pass), pass);
      backward_loss(*net, hidden, target);
    }
    // What extract() takes out of the SuperTransformer when its values are its gradients.
    Transformer holder(small_spec(options));
    holder.parameters().values().copy_(super.parameters().gradients());
    const auto expected = holder.extract(sub_sizes());
    EXPECT_LE(max_difference(expected->parameters().values(), alone->parameters().gradients()),
              1e-6 * std::max(1.0, max_absolute(alone->parameters().gradients())));
    EXPECT_NEAR(super.parameters().gradients().abs().sum().item<double>(),
                alone->parameters().gradients().abs().sum().item<double>(), 1e-2)
        << "nothing outside of the slices";
  }
}

/// Against numbers of a plain finite difference: the whole chain, in a direction that touches all.
TEST(Transformer, GradientIsTheSlope) {
  for (const bool pre : {false, true}) {
    Transformer net(small_spec({false, pre}));
    net.initialize(5);
    net.set_architecture(sub_sizes());
    const at::Tensor source = sentences(1, true);
    const at::Tensor target = sentences(2, false);
    const Pass pass{true, {0.1, 0.1, 0.1}, {1, 2, 3}};
    const auto loss = [&] {
      const at::NoGradGuard no_grad;
      return compute_loss(net, net.decode(shift_right(target), net.encode(source, pass), pass),
                          target)
          .loss;
    };
    backward_loss(net, net.decode(shift_right(target), net.encode(source, pass), pass), target);
    const at::Tensor direction = net.parameters().gradients() / net.parameters().gradients().norm();
    const double slope = (direction * net.parameters().gradients()).sum().item<double>();
    const double step = 1e-2;
    net.parameters().values().add_(direction, step);
    const double above = loss();
    net.parameters().values().add_(direction, -2 * step);
    const double below = loss();
    EXPECT_NEAR((above - below) / (2 * step), slope, 0.02 * slope);
  }
}

TEST(Transformer, PaddingOnEitherSideChangesNothing) {
  for (const bool compat : {false, true}) {
    Transformer net(small_spec({compat}));
    net.initialize(5);
    const at::NoGradGuard no_grad;
    const at::Tensor prev = shift_right(sentences(2, false));
    const at::Tensor left = net.forward(sentences(1, true), prev);
    const at::Tensor right = net.forward(sentences(1, false), prev);
    EXPECT_LE(max_difference(left, right), 2e-5);
    // A sentence alone, without any padding.
    const at::Tensor alone = sentences(1, true).slice(0, 0, 1);
    EXPECT_LE(max_difference(net.forward(alone, prev.slice(0, 0, 1)), left.slice(0, 0, 1)), 2e-5);
  }
}

TEST(Transformer, StepByStepEqualsTeacherForcing) {
  for (const Options& options : all_options()) {
    Transformer net(small_spec(options));
    net.initialize(5);
    net.set_architecture(sub_sizes());
    const at::NoGradGuard no_grad;
    const at::Tensor source = sentences(1, true);
    at::Tensor target = sentences(2, false);
    target = target.slice(1, 0, 6);
    const at::Tensor prev = at::where(target.eq(kPadId), at::full_like(target, 7), target);
    const EncoderOutput encoded = net.encode(source);
    const at::Tensor full = net.logits(net.decode(prev, encoded));
    constexpr int kBeam = 2;
    const auto state = net.start_decoding(encoded, kBeam);
    std::vector<int64_t> identity;
    for (int64_t r = 0; r < prev.size(0) * kBeam; ++r) identity.push_back(r);
    for (int64_t t = 0; t < prev.size(1); ++t) {
      std::vector<int64_t> tokens;
      for (int64_t r = 0; r < prev.size(0) * kBeam; ++r)
        tokens.push_back(prev[r / kBeam][t].item<int64_t>());
      const at::Tensor step = net.decode_step(*state, tokens, identity);
      for (int64_t r = 0; r < prev.size(0) * kBeam; ++r)
        EXPECT_LE(max_difference(step[r], full[r / kBeam][t]), 2e-5);
    }
  }
}

TEST(Transformer, HypothesesCanChangePlacesAndSentencesCanEnd) {
  Transformer net(small_spec());
  net.initialize(5);
  const at::NoGradGuard no_grad;
  const at::Tensor source = sentences(1, true, 2);
  const auto state = net.start_decoding(net.encode(source), 2);
  net.decode_step(*state, {2, 2, 2, 2}, {0, 1, 2, 3});
  net.decode_step(*state, {10, 11, 12, 13}, {0, 1, 2, 3});
  // The first sentence is done; the second's hypotheses are swapped.
  const at::Tensor step = net.decode_step(*state, {20, 21}, {3, 2});
  const at::Tensor prev = at::tensor({2, 13, 20, 2, 12, 21}, at::kLong).view({2, 3});
  const at::Tensor second = source.slice(0, 1, 2).expand({2, -1}).contiguous();
  const at::Tensor full = net.forward(second, prev);
  EXPECT_LE(max_difference(step, full.select(1, 2)), 2e-5);
}

TEST(Transformer, DropoutDependsOnTheKeyAlone) {
  Transformer net(small_spec());
  net.initialize(5);
  const at::NoGradGuard no_grad;
  const at::Tensor source = sentences(1, true);
  const at::Tensor prev = shift_right(sentences(2, false));
  const auto run = [&](const Pass& pass) { return net.forward(source, prev, pass); };
  const Pass pass{true, {0.3, 0.2, 0.1}, {1, 2, 3}};
  const at::Tensor once = run(pass);
  at::manual_seed(99);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  EXPECT_TRUE(once.equal(run(pass))) << "not of threads or LibTorch's generator";
  at::set_num_threads(threads);
  EXPECT_FALSE(once.equal(run({true, {0.3, 0.2, 0.1}, {1, 2, 4}})));
  EXPECT_TRUE(run({}).equal(run({false, {0.3, 0.2, 0.1}, {1, 2, 3}}))) << "off outside training";
}

TEST(Transformer, ReadsWhatItWrote) {
  const fs::path path = fs::temp_directory_path() / ("hat_model_" + std::to_string(::getpid()));
  Transformer super(small_spec({true, true, false, arch::ModelOptions::Embeddings::kDecoder}));
  super.initialize(5);
  const auto sub = super.extract(sub_sizes());
  save_transformer(*sub, path, {{"note", "kept"}});
  const auto back = load_transformer(path);
  EXPECT_TRUE(back->parameters().values().equal(sub->parameters().values()));
  EXPECT_EQ(back->spec().capacities, sub_sizes());
  EXPECT_EQ(back->spec().options, sub->spec().options);
  EXPECT_EQ(back->spec().super_encoder_layers, 3);
  EXPECT_EQ(tensor::SafetensorsFile(path).metadata().at("note"), "kept");
  EXPECT_THROW(load_weights(super, path), Error) << "shapes of another network";
  fs::remove(path);
}

TEST(Transformer, RefusesFilesOfOtherNetworks) {
  const fs::path path = fs::temp_directory_path() / ("hat_model_bad_" + std::to_string(::getpid()));
  Transformer net(small_spec());
  net.initialize(5);
  const auto expect_refused = [&](const std::vector<tensor::TensorSource>& tensors,
                                  const std::map<std::string, std::string>& metadata) {
    tensor::write_safetensors(path, tensors, metadata);
    try {
      load_transformer(path);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_NE(error.message().find(path.string()), std::string::npos) << error.message();
    }
  };
  std::vector<tensor::TensorSource> tensors;
  for (const Parameter& p : net.parameters().all())
    tensors.push_back({p.name, tensor::DType::kF32, p.shape(),
                       net.parameters().values().data_ptr<float>() + p.offset});
  const auto metadata = spec_to_metadata(net.spec());
  tensor::write_safetensors(path, tensors, metadata);
  EXPECT_NO_THROW(load_transformer(path));
  expect_refused(tensors, {});
  auto missing = tensors;
  missing.pop_back();
  expect_refused(missing, metadata);
  auto extra = tensors;
  extra.push_back({"surprise", tensor::DType::kF32, {1}, tensors[0].data});
  expect_refused(extra, metadata);
  auto reshaped = tensors;
  std::swap(reshaped[1].shape[0], reshaped[1].shape[1]);
  expect_refused(reshaped, metadata);
  auto huge = metadata;
  huge["vocabulary"] = R"({"source":9000000,"target":9000000})";
  expect_refused(tensors, huge);
  fs::remove(path);
}

TEST(Transformer, RefusesArchitecturesBeyondItsCapacities) {
  Transformer net(small_spec());
  const auto expect_refused = [&](const auto& change, const std::string& word) {
    arch::Architecture a = super_sizes(true);
    change(&a);
    try {
      net.set_architecture(a);
      FAIL() << word;
    } catch (const Error& error) {
      EXPECT_NE(error.message().find(word), std::string::npos) << error.message();
    }
  };
  expect_refused([](auto* a) { a->encoder_embed_dim = 36; }, "encoder width");
  expect_refused([](auto* a) { a->decoder.push_back(a->decoder[0]); }, "decoder layers");
  expect_refused([](auto* a) { a->encoder[1].ffn_dim = 49; }, "encoder layer 1");
  expect_refused([](auto* a) { a->decoder[2].cross_qkv_dim = 20; }, "cross_qkv_dim");
}

TEST(Transformer, InitialisationIsSeededAndScaled) {
  Transformer a(small_spec());
  Transformer b(small_spec());
  a.initialize(1);
  b.initialize(1);
  EXPECT_TRUE(a.parameters().values().equal(b.parameters().values()));
  b.initialize(2);
  EXPECT_FALSE(a.parameters().values().equal(b.parameters().values()));
  const ParameterStore& store = a.parameters();
  const at::Tensor table = store.value(store.find("encoder.embed_tokens.weight"));
  EXPECT_EQ(max_absolute(table[1]), 0.0);
  EXPECT_NEAR(table.std().item<double>(), 1 / std::sqrt(32.0), 0.02);
  const at::Tensor fc1 = store.value(store.find("encoder.layers.0.fc1.weight"));
  const double bound = std::sqrt(6.0 / (48 + 32));
  EXPECT_LE(max_absolute(fc1), bound);
  EXPECT_GT(max_absolute(fc1), 0.95 * bound);
  EXPECT_EQ(max_absolute(store.value(store.find("encoder.layers.0.fc1.bias"))), 0.0);
  EXPECT_EQ(store.value(store.find("decoder.layers.0.final_layer_norm.weight"))[3].item<float>(),
            1.0f);
}

TEST(Transformer, LowPrecisionIsClose) {
  Transformer net(small_spec());
  net.initialize(5);
  const at::Tensor source = sentences(1, true);
  const at::Tensor target = sentences(2, false);
  const auto run = [&](Compute compute, at::Tensor* gradient) {
    net.set_compute(compute);
    net.parameters().zero_gradients();
    const LossSums sums =
        backward_loss(net, net.decode(shift_right(target), net.encode(source)), target);
    *gradient = net.parameters().gradients().clone();
    return sums.loss;
  };
  at::Tensor exact;
  at::Tensor low;
  const double loss = run(Compute::kFp32, &exact);
  EXPECT_NEAR(run(Compute::kBf16, &low), loss, 0.02 * loss);
  EXPECT_LE((exact - low).norm().item<double>(), 0.05 * exact.norm().item<double>());
}

TEST(Transformer, PositionsGrowWithTheSentence) {
  Transformer net(small_spec());
  net.initialize(5);
  const at::NoGradGuard no_grad;
  EXPECT_NO_THROW(net.encode(at::full({1, 300}, 7, at::kLong)));
}

}  // namespace
}  // namespace hat::model
