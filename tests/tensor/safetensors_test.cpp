#include "hat/tensor/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "testing/shared_data.h"

namespace hat::tensor {
namespace {

class Safetensors : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    dir_ = fs::temp_directory_path() /
           ("hat_tensor_" + std::string(test->name()) + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  /// A file with this header text and `data_bytes` bytes of data.
  fs::path file_with(const std::string& header, size_t data_bytes) {
    const uint64_t size = header.size();
    std::string content(reinterpret_cast<const char*>(&size), 8);
    content += header + std::string(data_bytes, 'x');
    const fs::path path = dir_ / "crafted.safetensors";
    write_file_atomic(path, content);
    return path;
  }
  void expect_refused(const std::string& header, size_t data_bytes) {
    try {
      SafetensorsFile file(file_with(header, data_bytes));
      FAIL() << "accepted: " << header;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData) << header;
      EXPECT_NE(error.message().find("crafted.safetensors"), std::string::npos);
    }
  }
  fs::path dir_;
};

TEST_F(Safetensors, WritesWhatItReads) {
  const std::vector<float> weights{1.5f, -2.0f, 0.0f, std::numeric_limits<float>::infinity(), 3, 4};
  const std::vector<int64_t> counts{7, -1};
  const std::vector<uint8_t> empty;
  const std::vector<TensorSource> sources{{"b.weight", DType::kF32, {2, 3}, weights.data()},
                                          {"empty", DType::kU8, {0, 4}, empty.data()},
                                          {"a.count", DType::kI64, {2}, counts.data()},
                                          {"scalar", DType::kF32, {}, weights.data()}};
  write_safetensors(dir_ / "x", sources, {{"k", "v \"quoted\""}});
  const SafetensorsFile file(dir_ / "x");
  ASSERT_EQ(file.tensors().size(), 4u);
  EXPECT_EQ(file.at("b.weight").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file.floats("b.weight"), weights);
  EXPECT_EQ(file.integers("a.count"), counts);
  EXPECT_EQ(file.floats("scalar"), std::vector<float>{1.5f});
  EXPECT_EQ(file.at("empty").size(), 0);
  EXPECT_EQ(file.metadata().at("k"), "v \"quoted\"");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.at("b.weight").data) % 64, 0u);
}

TEST_F(Safetensors, SameContentGivesSameBytes) {
  const std::vector<float> data(100, 0.25f);
  const std::vector<TensorSource> sources{{"w", DType::kF32, {100}, data.data()}};
  write_safetensors(dir_ / "x", sources, {{"z", "1"}, {"a", "2"}});
  write_safetensors(dir_ / "y", sources, {{"a", "2"}, {"z", "1"}});
  EXPECT_EQ(read_file(dir_ / "x"), read_file(dir_ / "y"));
}

TEST_F(Safetensors, ConvertsHalfPrecision) {
  // 1, -2, smallest subnormal, largest, infinity, NaN in IEEE half; 1 and -3.5 in bfloat16.
  const std::vector<uint16_t> half{0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x7e00};
  const std::vector<uint16_t> brain{0x3f80, 0xc060};
  const std::vector<TensorSource> sources{{"h", DType::kF16, {6}, half.data()},
                                          {"b", DType::kBF16, {2}, brain.data()}};
  write_safetensors(dir_ / "x", sources, {});
  const SafetensorsFile file(dir_ / "x");
  const auto h = file.floats("h");
  EXPECT_EQ(h[0], 1.0f);
  EXPECT_EQ(h[1], -2.0f);
  EXPECT_EQ(h[2], 0x1p-24f);
  EXPECT_EQ(h[3], 65504.0f);
  EXPECT_TRUE(std::isinf(h[4]));
  EXPECT_TRUE(std::isnan(h[5]));
  EXPECT_EQ(file.floats("b"), (std::vector<float>{1.0f, -3.5f}));
}

TEST_F(Safetensors, RefusesKindsOfNumbersThatDoNotFit) {
  const std::vector<float> data{1};
  const std::vector<int32_t> ints{1};
  const std::vector<TensorSource> sources{{"f", DType::kF32, {1}, data.data()},
                                          {"i", DType::kI32, {1}, ints.data()}};
  write_safetensors(dir_ / "x", sources, {});
  const SafetensorsFile file(dir_ / "x");
  EXPECT_THROW(file.integers("f"), Error);
  EXPECT_THROW(file.floats("i"), Error);
  EXPECT_THROW(file.at("absent"), Error);
}

TEST_F(Safetensors, RefusesHostileHeaders) {
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return R"({"w":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
           "}}";
  };
  EXPECT_NO_THROW(SafetensorsFile(file_with(entry("\"F32\"", "[2]", "[0,8]"), 8)));
  expect_refused(entry("\"F32\"", "[2]", "[0,8]"), 7);    // cut short
  expect_refused(entry("\"F32\"", "[2]", "[0,8]"), 9);    // bytes left over
  expect_refused(entry("\"F32\"", "[3]", "[0,8]"), 8);    // shape and size differ
  expect_refused(entry("\"F32\"", "[2]", "[8,0]"), 8);    // backwards
  expect_refused(entry("\"F32\"", "[-2]", "[0,8]"), 8);   // negative
  expect_refused(entry("\"F32\"", "[2.5]", "[0,8]"), 8);  // not whole
  expect_refused(entry("\"Q4\"", "[2]", "[0,8]"), 8);     // unknown type
  expect_refused(entry("7", "[2]", "[0,8]"), 8);          // type not text
  expect_refused(entry("\"F32\"", "[2]", "[0,18446744073709551615]"), 8);
  expect_refused(entry("\"F32\"", "[4294967296,4294967296,4]", "[0,0]"), 0);  // overflow
  expect_refused(entry("\"F32\"", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]", "[0,8]"), 8);
  expect_refused(R"({"w":{"dtype":"F32","shape":[2]}})", 8);
  expect_refused(R"({"w":[1]})", 8);
  expect_refused(R"([1])", 0);
  expect_refused(R"({"w":)", 0);
  expect_refused(R"({"__metadata__":{"a":1}})", 0);
  expect_refused(R"({"__metadata__":[]})", 0);
  // Overlap, gap, and a name twice.
  const std::string a = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  expect_refused("{" + a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", 6);
  expect_refused("{" + a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}})", 9);
  expect_refused("{" + a + "," + a + "}", 4);
}

TEST_F(Safetensors, RefusesAbsurdHeaderLength) {
  std::string content(16, '\xff');
  write_file_atomic(dir_ / "x", content);
  EXPECT_THROW(SafetensorsFile(dir_ / "x"), Error);
  write_file_atomic(dir_ / "x", "abc");
  EXPECT_THROW(SafetensorsFile(dir_ / "x"), Error);
  write_file_atomic(dir_ / "x", "");
  EXPECT_THROW(SafetensorsFile(dir_ / "x"), Error);
  EXPECT_THROW(SafetensorsFile(dir_ / "absent"), Error);
}

TEST_F(Safetensors, SurvivesRandomDamage) {
  const std::vector<float> data(16, 1.0f);
  const std::vector<TensorSource> sources{{"first", DType::kF32, {4, 2}, data.data()},
                                          {"second", DType::kF32, {8}, data.data()}};
  write_safetensors(dir_ / "good", sources, {{"key", "value"}});
  const std::string good = read_file(dir_ / "good");
  Rng rng(1);
  for (int round = 0; round < 300; ++round) {
    std::string damaged = good;
    if (rng.chance(0.3)) damaged.resize(rng.below(damaged.size()));
    for (uint64_t flips = rng.below(4); flips > 0 && !damaged.empty(); --flips)
      damaged[rng.below(std::min<size_t>(damaged.size(), 250))] = static_cast<char>(rng.below(256));
    write_file_atomic(dir_ / "bad", damaged);
    try {
      const SafetensorsFile file(dir_ / "bad");
      for (const TensorView& view : file.tensors())
        if (view.dtype == DType::kF32) file.floats(view.name);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
    }
  }
}

TEST_F(Safetensors, ReadsGoldenWeights) {
  const fs::path path = testing::parity_dir() / "A_iwslt_like" / "weights.safetensors";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is absent";
  const SafetensorsFile file(path);
  EXPECT_EQ(file.at("encoder.embed_tokens.weight").shape.size(), 2u);
  for (const TensorView& view : file.tensors()) EXPECT_EQ(view.dtype, DType::kF32);
}

}  // namespace
}  // namespace hat::tensor
