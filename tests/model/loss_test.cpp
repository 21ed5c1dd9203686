#include "hat/model/loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "hat/model/batch.h"

namespace hat::model {
namespace {

NetworkSpec spec(int width, int vocabulary) {
  NetworkSpec out;
  out.capacities.encoder_embed_dim = out.capacities.decoder_embed_dim = width;
  out.capacities.encoder.assign(1, {2 * width, 2, width});
  out.capacities.decoder.assign(1, {2 * width, 2, width, 2, width, 1});
  out.vocabulary = {vocabulary, vocabulary};
  return out;
}

at::Tensor random_targets(int64_t batch, int64_t length, int64_t vocabulary) {
  const at::Tensor target = at::randint(4, vocabulary, {batch, length}, at::kLong);
  target[0].narrow(0, length - 2, 2).fill_(kPadId);
  return target;
}

/// Sum over real tokens of the formula in hat-spec section 3, differentiated by autograd.
at::Tensor plain_loss(const at::Tensor& logits, const at::Tensor& target, double eps) {
  const at::Tensor lp = at::log_softmax(logits, -1);
  const at::Tensor nll = -lp.gather(-1, target.unsqueeze(-1)).squeeze(-1);
  const at::Tensor spread = -lp.sum(-1);
  const double v = static_cast<double>(logits.size(-1));
  return (((1 - eps) * nll + eps / v * spread) * target.ne(kPadId)).sum();
}

class Loss : public ::testing::Test {
 protected:
  Loss() : net_(spec(16, 2003)), table_(net_.parameters().find("encoder.embed_tokens.weight")) {
    at::manual_seed(5);
    net_.initialize(3);
    hidden_ = at::randn({40, 70, 16});
    target_ = random_targets(40, 70, 2003);  // more tokens than a chunk of logits holds
  }
  Transformer net_;
  int table_;
  at::Tensor hidden_;
  at::Tensor target_;
};

TEST_F(Loss, EqualsTheFormula) {
  const at::Tensor hidden = hidden_.clone().requires_grad_(true);
  const at::Tensor weight = net_.parameters().value(table_).clone().requires_grad_(true);
  const at::Tensor wanted = plain_loss(at::linear(hidden, weight), target_, 0.1);
  (wanted * 0.5).backward();
  at::Tensor gradient;
  LossOptions options;
  options.gradient_scale = 0.5;
  const LossSums sums = backward_loss_to_hidden(net_, hidden_, target_, options, &gradient);
  EXPECT_NEAR(sums.loss, wanted.item<double>(), 1e-5 * wanted.item<double>());
  EXPECT_EQ(sums.tokens, 40 * 70 - 2);
  EXPECT_LE((gradient - hidden.grad()).abs().max().item<double>(), 1e-6);
  EXPECT_LE((net_.parameters().gradient(table_) - weight.grad()).abs().max().item<double>(), 1e-4);
  EXPECT_EQ(gradient[0][69].abs().max().item<double>(), 0.0) << "padding has no gradient";
  const LossSums again = compute_loss(net_, hidden_, target_);
  EXPECT_EQ(again.loss, sums.loss);
  EXPECT_EQ(again.nll, sums.nll);
}

TEST_F(Loss, AddsToGradients) {
  at::Tensor first;
  at::Tensor second;
  backward_loss_to_hidden(net_, hidden_, target_, {}, &first);
  const at::Tensor once = net_.parameters().gradient(table_).clone();
  backward_loss_to_hidden(net_, hidden_, target_, {}, &second);
  EXPECT_TRUE(first.equal(second));
  EXPECT_LE((net_.parameters().gradient(table_) - 2 * once).abs().max().item<double>(), 1e-3);
}

TEST_F(Loss, TeacherPullsTowardsItsDistribution) {
  Transformer other(spec(24, 2003));
  other.initialize(8);
  const at::Tensor teacher_hidden = at::randn({40, 70, 24});
  const at::Tensor teacher_table =
      other.parameters().value(other.parameters().find("encoder.embed_tokens.weight"));
  for (const double temperature : {1.0, 2.0}) {
    const Teacher teacher{&other, teacher_hidden, 0.6, temperature};
    LossOptions options;
    options.teacher = &teacher;
    const at::Tensor hidden = hidden_.clone().requires_grad_(true);
    const at::Tensor logits = at::linear(hidden, net_.parameters().value(table_));
    const at::Tensor q = at::softmax(at::linear(teacher_hidden, teacher_table) / temperature, -1);
    const at::Tensor soft = -(q * at::log_softmax(logits / temperature, -1)).sum(-1);
    const at::Tensor wanted = 0.4 * plain_loss(logits, target_, 0.1) +
                              0.6 * temperature * temperature * (soft * target_.ne(kPadId)).sum();
    wanted.backward();
    at::Tensor gradient;
    const LossSums sums = backward_loss_to_hidden(net_, hidden_, target_, options, &gradient);
    EXPECT_NEAR(sums.loss, wanted.item<double>(), 2e-5 * wanted.item<double>());
    EXPECT_LE((gradient - hidden.grad()).abs().max().item<double>(), 1e-6);
  }
}

TEST_F(Loss, OwnSuperAsTeacherHasNoPullOfItsOwn) {
  // Teacher and student agree: the soft part of the gradient is zero.
  const Teacher teacher{&net_, hidden_, 1.0, 1.0};
  LossOptions options;
  options.teacher = &teacher;
  at::Tensor gradient;
  backward_loss_to_hidden(net_, hidden_, target_, options, &gradient);
  EXPECT_LE(gradient.abs().max().item<double>(), 1e-7);
}

TEST_F(Loss, NothingButPaddingIsNothing) {
  const at::Tensor padding = at::full({2, 3}, kPadId, at::kLong);
  at::Tensor gradient;
  const LossSums sums =
      backward_loss_to_hidden(net_, at::randn({2, 3, 16}), padding, {}, &gradient);
  EXPECT_EQ(sums.tokens, 0);
  EXPECT_EQ(sums.loss, 0.0);
  EXPECT_EQ(gradient.abs().max().item<double>(), 0.0);
}

TEST(Batch, PadsAndShifts) {
  const std::vector<int32_t> a{5, 6, 2};
  const std::vector<int32_t> b{7, 2};
  const at::Tensor left = pad_tokens({a, b}, true);
  const at::Tensor right = pad_tokens({a, b}, false);
  EXPECT_TRUE(left.equal(at::tensor({5, 6, 2, 1, 7, 2}, at::kLong).view({2, 3})));
  EXPECT_TRUE(right.equal(at::tensor({5, 6, 2, 7, 2, 1}, at::kLong).view({2, 3})));
  EXPECT_TRUE(shift_right(right).equal(at::tensor({2, 5, 6, 2, 7, 1}, at::kLong).view({2, 3})));
}

}  // namespace
}  // namespace hat::model
