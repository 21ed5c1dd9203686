#include "model/product.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace hat::model {
namespace {

at::Tensor random(int64_t rows, int64_t cols) {
  return at::randn({rows, cols}, at::kFloat).to(at::kBFloat16);
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kFloat) - b.to(at::kFloat)).abs().max().item<double>();
}

/// x with other rows behind it that are not numbers.
at::Tensor before_nan(const at::Tensor& x) {
  const at::Tensor all = at::full({2 * x.size(0) + 16, x.size(1)}, NAN, x.options());
  all.narrow(0, 0, x.size(0)).copy_(x);
  return all.narrow(0, 0, x.size(0));
}

TEST(Product, RowsAreRoundedToFewNumbers) {
  std::set<int64_t> octave;
  for (int64_t rows = 1; rows <= 10'000; ++rows) {
    const int64_t rounded = rounded_rows(rows);
    ASSERT_GE(rounded, rows);
    ASSERT_LT(rounded - rows, std::max<int64_t>(16, rows / 16 + 1)) << rows;
    ASSERT_EQ(rounded_rows(rounded), rounded) << rows;
    if (rows > 2048 && rows <= 4096) octave.insert(rounded);
  }
  EXPECT_EQ(octave.size(), 16u);
  EXPECT_EQ(rounded_rows(0), 0);
}

TEST(Product, IsThatOfTheRowsGiven) {
  at::manual_seed(1);
  const at::Tensor w = random(24, 40);
  for (const int64_t rows : {1, 16, 37, 100, 515}) {
    const at::Tensor x = random(rows, 24);
    const at::Tensor wanted = at::mm(x.to(at::kFloat), w.to(at::kFloat));
    const double tolerance = 0.01 * wanted.abs().max().item<double>();
    // Rows with nothing behind them, with anything, in the middle of others, and with room.
    const at::Tensor middle = at::cat({x, x, x}).narrow(0, rows, rows);
    for (const at::Tensor& given : {x, before_nan(x), middle, with_room(x)}) {
      const at::Tensor y = product(given, w);
      ASSERT_EQ(y.sizes(), wanted.sizes());
      EXPECT_LT(difference(y, wanted), tolerance) << rows;
      // As the next product's input, too.
      const at::Tensor wanted_back = at::mm(wanted, w.to(at::kFloat).t());
      EXPECT_LT(difference(product(y, w.t()), wanted_back),
                0.01 * wanted_back.abs().max().item<double>())
          << rows;
    }
    const at::Tensor twice = product(x, w);
    add_product(twice, before_nan(x), w);
    EXPECT_LT(difference(twice, 2 * wanted), 2 * tolerance) << rows;
  }
}

TEST(Product, NothingBehindTheRowsIsWritten) {
  const at::Tensor all = random(64, 8);
  const at::Tensor before = all.clone();
  product(all.narrow(0, 0, 33), random(8, 8));
  // A copy even where there is room: its owner may widen it.
  const at::Tensor copy = with_room(all.narrow(0, 0, 33));
  EXPECT_NE(copy.data_ptr(), all.data_ptr());
  widen_with_zeros(copy);
  EXPECT_TRUE(at::equal(all, before));
}

TEST(Product, PartsAddUpToTheWhole) {
  at::manual_seed(2);
  std::set<int64_t> sizes;
  for (int64_t rows = 513; rows <= 1024; rows += 7) {
    const at::Tensor a = random(rows, 5);
    const at::Tensor b = random(rows, 9);
    at::Tensor sum = at::zeros({5, 9});
    for_row_parts(a, b, [&](const at::Tensor& some_a, const at::Tensor& some_b) {
      ASSERT_EQ(some_a.size(0), some_b.size(0));
      sizes.insert(some_a.size(0));
      sum += at::mm(some_a.to(at::kFloat).t(), some_b.to(at::kFloat));
    });
    const at::Tensor wanted = at::mm(a.to(at::kFloat).t(), b.to(at::kFloat));
    ASSERT_LT(difference(sum, wanted), 1e-3) << rows;
  }
  EXPECT_LE(sizes.size(), 18u);
}

TEST(Product, AddedRowsOfTheOwnerAreZero) {
  const at::Tensor x = with_room(random(33, 4));
  // Somebody's product has written there.
  x.as_strided({rounded_rows(33), 4}, {4, 1}).narrow(0, 33, rounded_rows(33) - 33).fill_(NAN);
  const at::Tensor all = widen_with_zeros(x);
  ASSERT_EQ(all.size(0), rounded_rows(33));
  EXPECT_TRUE(at::equal(all.narrow(0, 0, 33), x));
  EXPECT_EQ(all.narrow(0, 33, all.size(0) - 33).abs().max().item<float>(), 0.0f);
}

TEST(Product, Fp32TakesRowsAsTheyCome) {
  const at::Tensor x = at::randn({37, 8});
  EXPECT_EQ(with_room(x).data_ptr(), x.data_ptr());
  EXPECT_EQ(widen_with_zeros(x).size(0), 37);
  int parts = 0;
  for_row_parts(x, x, [&](const at::Tensor& a, const at::Tensor&) {
    EXPECT_EQ(a.size(0), 37);
    ++parts;
  });
  EXPECT_EQ(parts, 1);
  EXPECT_LT(difference(product(x, at::eye(8)), x), 1e-6);
}

}  // namespace
}  // namespace hat::model
