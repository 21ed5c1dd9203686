#include "hat/model/reorder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "hat/base/rng.h"
#include "hat/model/loss.h"
#include "model/parity.h"

namespace hat::model {
namespace {

std::span<float> flat(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

NetworkSpec spec_of(bool compat, int decoder_width) {
  NetworkSpec spec;
  spec.capacities.encoder_embed_dim = 32;
  spec.capacities.decoder_embed_dim = decoder_width;
  spec.capacities.encoder.assign(2, {48, 4, 32});
  spec.capacities.decoder.assign(2, {40, 4, 32, 2, 16, 1});
  spec.options.compat = compat;
  spec.options.pre_norm = !compat;
  spec.options.max_positions = 40;
  spec.vocabulary = {50, 50};
  return spec;
}

at::Tensor tokens(uint64_t seed) {
  Rng rng(seed);
  at::Tensor out = at::empty({6, 7}, at::kLong);
  for (int64_t i = 0; i < out.numel(); ++i)
    out.data_ptr<int64_t>()[i] = 4 + static_cast<int64_t>(rng.below(46));
  return out;
}

class ReorderTest : public ::testing::TestWithParam<std::tuple<bool, int>> {
 protected:
  ReorderTest() : network(spec_of(std::get<0>(GetParam()), std::get<1>(GetParam()))) {
    network.initialize(3);
  }
  void observe(Reordering& reordering) {
    backward_loss(network, network.decode(target, network.encode(source)), target);
    reordering.observe();
    network.parameters().zero_gradients();
  }
  Transformer network;
  at::Tensor source = tokens(1), target = tokens(2);
};

TEST_P(ReorderTest, TheNetworkComputesTheSame) {
  const at::NoGradGuard no_grad;
  const at::Tensor before = network.forward(source, target);
  Reordering reordering(network);
  {
    const at::AutoGradMode grad(true);
    observe(reordering);
  }
  const at::Tensor values = network.parameters().values();
  const at::Tensor old = values.clone();
  reordering.apply(flat(values));
  network.parameters().values_changed();
  EXPECT_FALSE(at::equal(values, old));
  EXPECT_TRUE(at::equal(std::get<0>(values.sort()), std::get<0>(old.sort())));
  EXPECT_LE(testing::max_difference(network.forward(source, target), before), 1e-5);
}

TEST_P(ReorderTest, TheOrderFallsAndHeadsStayWhole) {
  // Channels of which only some reach the output, and heads likewise: the others go to the end.
  const ParameterStore& store = network.parameters();
  at::Tensor fc2 = store.value(store.find("decoder.layers.1.fc2.weight"));
  at::Tensor out = store.value(store.find("encoder.layers.0.self_attn.out_proj.weight"));
  at::Tensor fc1 = store.value(store.find("decoder.layers.1.fc1.weight"));
  fc2.narrow(1, 0, 30).zero_();
  out.narrow(1, 0, 8).zero_();  // the first of four heads
  // The useful channels are alive: one that is zero for every token would be of no importance too.
  store.value(store.find("decoder.layers.1.fc1.bias")).narrow(0, 30, 10).fill_(3);
  network.parameters().values_changed();
  const at::Tensor useful = fc1.narrow(0, 30, 10).clone();
  Reordering reordering(network);
  observe(reordering);
  reordering.apply(flat(network.parameters().values()));
  EXPECT_EQ(fc2.narrow(1, 10, 30).abs().max().item<float>(), 0);
  // The rows of fc1 have moved with the columns of fc2 that read them.
  EXPECT_TRUE(at::equal(std::get<0>(fc1.narrow(0, 0, 10).reshape({-1}).sort()),
                        std::get<0>(useful.reshape({-1}).sort())));
  const int64_t dead = std::get<0>(GetParam()) ? 0 : 24;  // compat: heads keep their places
  EXPECT_EQ(out.narrow(1, dead, 8).abs().max().item<float>(), 0);
}

TEST_P(ReorderTest, OnlyTheActiveNetworkIsOrdered) {
  arch::Architecture small = network.spec().capacities;
  for (auto& layer : small.encoder) layer.ffn_dim = 16;
  for (auto& layer : small.decoder) layer.ffn_dim = 16;
  network.set_architecture(small);
  Reordering reordering(network);
  observe(reordering);
  const ParameterStore& store = network.parameters();
  const at::Tensor fc1 = store.value(store.find("encoder.layers.0.fc1.weight"));
  const at::Tensor old = fc1.clone();
  reordering.apply(flat(network.parameters().values()));
  EXPECT_FALSE(at::equal(fc1.narrow(0, 0, 16), old.narrow(0, 0, 16)));
  EXPECT_TRUE(at::equal(fc1.narrow(0, 16, 32), old.narrow(0, 16, 32)));
}

INSTANTIATE_TEST_SUITE_P(Networks, ReorderTest,
                         ::testing::Combine(::testing::Bool(), ::testing::Values(32, 24)));

}  // namespace
}  // namespace hat::model
