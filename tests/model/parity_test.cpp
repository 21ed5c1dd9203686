// Sets A to D of the golden numbers: the original's forward pass, loss and gradients.
#include "model/parity.h"

#include <cmath>
#include <cstdlib>

#include "hat/arch/cost.h"
#include "hat/model/loss.h"

namespace hat::model {
namespace {

using testing::max_absolute;
using testing::max_difference;
using testing::ParitySet;
using testing::read_tensor;

constexpr double kLogitTolerance = 2e-5;
constexpr double kLossTolerance = 1e-5;
constexpr double kGradientTolerance = 1e-4;

class Parity : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    set_ = ParitySet::open(GetParam());
    if (!set_) {
      // A folder that somebody names, or that exists, has to hold something.
      const bool expected = std::getenv("HAT_PARITY_DIR") || fs::exists(hat::testing::parity_dir());
      ASSERT_TRUE(ParitySet::any_present() || !expected)
          << hat::testing::parity_dir() << " holds no set at all";
      GTEST_SKIP() << "the set " << GetParam() << " is absent";
    }
    network_ = set_->load();
  }

  struct Case {
    tensor::SafetensorsFile file;
    at::Tensor source, prev_output, target;
  };
  Case open(const config::Json& c) {
    network_->set_architecture(set_->architecture(c));
    Case out{set_->file(c.at("tensor_file").get<std::string>()), {}, {}, {}};
    out.source = read_tensor(out.file, c.at("src_tokens").get<std::string>());
    out.prev_output = read_tensor(out.file, c.at("prev_output_tokens").get<std::string>());
    out.target = read_tensor(out.file, c.at("target").get<std::string>());
    return out;
  }

  std::unique_ptr<ParitySet> set_;
  std::unique_ptr<Transformer> network_;
};

/// Rows of [batch, length, dim] where the token is no padding.
at::Tensor real_rows(const at::Tensor& states, const at::Tensor& tokens) {
  return states.reshape({-1, states.size(2)}).index({tokens.reshape({-1}).ne(kPadId)});
}

TEST_P(Parity, Logits) {
  const at::NoGradGuard no_grad;
  for (const config::Json& c : set_->cases()) {
    SCOPED_TRACE(c.at("index").dump());
    const Case data = open(c);
    const at::Tensor logits = network_->forward(data.source, data.prev_output);
    const at::Tensor expected = read_tensor(data.file, c.at("logits").get<std::string>());
    EXPECT_LE(max_difference(real_rows(logits, data.target), real_rows(expected, data.target)),
              kLogitTolerance);
  }
}

TEST_P(Parity, InnerStates) {
  const at::NoGradGuard no_grad;
  for (const config::Json& c : set_->cases()) {
    SCOPED_TRACE(c.at("index").dump());
    const Case data = open(c);
    const EncoderOutput encoded = network_->encode(data.source);
    std::vector<at::Tensor> inner;
    network_->decode(data.prev_output, encoded, {}, &inner);
    // The golden tensors are time first.
    const auto compare = [&](const std::string& name, const at::Tensor& ours,
                             const at::Tensor& tokens) {
      const at::Tensor expected = read_tensor(data.file, name).transpose(0, 1);
      EXPECT_LE(max_difference(real_rows(ours, tokens), real_rows(expected, tokens)),
                kLogitTolerance)
          << name;
    };
    compare(c.at("encoder_out").get<std::string>(), encoded.output, data.source);
    if (c.contains("encoder_layer_outputs")) {
      const auto& names = c.at("encoder_layer_outputs");
      for (size_t i = 0; i < names.size(); ++i)
        compare(names[i].get<std::string>(), encoded.layers[std::min(i, encoded.layers.size() - 1)],
                data.source);
    }
    if (c.contains("decoder_inner_states")) {
      const auto& names = c.at("decoder_inner_states");
      for (size_t i = 0; i < inner.size(); ++i)
        compare(names[i].get<std::string>(), inner[i], data.target);
    }
  }
}

TEST_P(Parity, Losses) {
  const at::NoGradGuard no_grad;
  for (const config::Json& c : set_->cases()) {
    SCOPED_TRACE(c.at("index").dump());
    const Case data = open(c);
    const config::Json& expected = c.at("loss");
    LossOptions options;
    options.label_smoothing = expected.at("label_smoothing").get<double>();
    const at::Tensor hidden = network_->decode(data.prev_output, network_->encode(data.source));
    const LossSums sums = compute_loss(*network_, hidden, data.target, options);
    const auto near = [](double value, double golden) {
      EXPECT_NEAR(value, golden, kLossTolerance * std::abs(golden));
    };
    near(sums.loss, expected.at("sum_loss_nats").get<double>());
    near(sums.nll, expected.at("sum_nll_nats").get<double>());
    EXPECT_EQ(sums.tokens, expected.at("sample_size").get<int64_t>());
    near(sums.loss / static_cast<double>(sums.tokens) / std::log(2.0),
         expected.at("loss_per_token_bits").get<double>());
  }
}

TEST_P(Parity, Gradients) {
  for (const config::Json& c : set_->cases()) {
    if (!c.contains("gradients_of_sum_loss")) continue;
    SCOPED_TRACE(c.at("index").dump());
    const Case data = open(c);
    const config::Json& expected = c.at("gradients_of_sum_loss");
    const tensor::SafetensorsFile golden = set_->file(expected.at("file").get<std::string>());
    LossOptions options;
    options.label_smoothing = c.at("loss").at("label_smoothing").get<double>();
    ParameterStore& store = network_->parameters();
    store.zero_gradients();
    const at::Tensor hidden = network_->decode(data.prev_output, network_->encode(data.source));
    backward_loss(*network_, hidden, data.target, options);
    int compared = 0;
    for (const tensor::TensorView& view : golden.tensors()) {
      const int index = store.find(view.name);
      ASSERT_GE(index, 0) << view.name;
      const at::Tensor wanted = read_tensor(golden, view.name);
      EXPECT_LE(max_difference(store.gradient(index), wanted),
                kGradientTolerance * std::max(max_absolute(wanted), 1e-12))
          << view.name;
      ++compared;
    }
    EXPECT_GT(compared, 0);
    for (const config::Json& name : expected.at("no_gradient")) {
      const int index = store.find(name.get<std::string>());
      ASSERT_GE(index, 0) << name;
      EXPECT_FALSE(store.is_touched(index)) << name;
      EXPECT_EQ(max_absolute(store.gradient(index)), 0.0) << name;
    }
  }
}

TEST_P(Parity, SizesAndRates) {
  for (const config::Json& c : set_->cases()) {
    SCOPED_TRACE(c.at("index").dump());
    const arch::Architecture a = set_->architecture(c);
    network_->set_architecture(a);
    if (!c.at("hat_param_count").is_null()) {
      EXPECT_EQ(arch::parameters_without_embeddings(a, network_->spec().options),
                c.at("hat_param_count").get<int64_t>());
    }
    EXPECT_EQ(network_->extract(a)->parameters().count(),
              arch::parameters(a, network_->spec().options, network_->spec().vocabulary));
    EXPECT_NEAR(network_->encoder_embed_scale(), c.at("embed_scale").at("encoder").get<double>(),
                1e-12);
    EXPECT_NEAR(network_->decoder_embed_scale(), c.at("embed_scale").at("decoder").get<double>(),
                1e-12);
    const config::Json& super = set_->manifest().at("super");
    DropoutRates rates;
    rates.residual = super.at("dropout").get<double>();
    rates.attention = super.at("attention_dropout").get<double>();
    rates.activation = super.at("activation_dropout").get<double>();
    const Transformer::ScaledDropout ours = network_->scaled_dropout(rates);
    const config::Json& golden = c.at("dropout");
    const auto near = [&](double value, const char* key) {
      EXPECT_NEAR(value, golden.at(key).get<double>(), 1e-12) << key;
    };
    near(ours.encoder, "encoder_sample_dropout");
    near(ours.decoder, "decoder_sample_dropout");
    near(ours.encoder_attention, "encoder_self_attn_residual_dropout");
    near(ours.attention, "attention_dropout");
    near(ours.encoder_activation, "encoder_activation_dropout");
    near(ours.decoder_activation, "decoder_activation_dropout");
  }
}

TEST_P(Parity, WeightsCount) {
  EXPECT_EQ(network_->parameters().count(), set_->manifest().at("total_params").get<int64_t>());
}

INSTANTIATE_TEST_SUITE_P(Sets, Parity,
                         ::testing::Values("A_iwslt_like", "B_wmt_like", "C_kdim_differs",
                                           "D_pre_norm"),
                         [](const auto& set) { return std::string(set.param); });

}  // namespace
}  // namespace hat::model
