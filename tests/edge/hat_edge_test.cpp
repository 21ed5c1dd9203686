#include "hat/edge/hat_edge.h"

#include <gtest/gtest.h>

#include <string>

#include "edge/small_models.h"

namespace hat::edge {
namespace {

class CInterface : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = fs::path(::testing::TempDir()) / "c_interface.hat";
    auto spec = testing::small_spec();
    spec.source_tokenizer = testing::letter_tokenizer();
    build_model_file(spec, random_tensor_source(spec, 5), path_);
  }
  void TearDown() override { fs::remove(path_); }
  fs::path path_;
};

TEST_F(CInterface, OpensTranslatesAndCloses) {
  EXPECT_EQ(hat_edge_api_version(), HAT_EDGE_API_VERSION);
  hat_edge_translator* translator = hat_edge_open(path_.c_str(), 1);
  ASSERT_NE(translator, nullptr) << hat_edge_last_error();
  hat_edge_options options = hat_edge_default_options();
  options.n_best = 3;
  options.max_length = 8;
  options.alignment = 1;
  ASSERT_EQ(hat_edge_translate(translator, "the king", &options), 3) << hat_edge_last_error();
  EXPECT_NE(std::string(hat_edge_text(translator, 0)), "");
  EXPECT_GE(hat_edge_score(translator, 0), hat_edge_score(translator, 2));
  EXPECT_NE(hat_edge_alignment(translator, 0), nullptr);
  EXPECT_EQ(hat_edge_text(translator, 3), nullptr);
  EXPECT_EQ(hat_edge_text(translator, -1), nullptr);
  EXPECT_EQ(hat_edge_translate(translator, "", nullptr), 1);
  EXPECT_STREQ(hat_edge_text(translator, 0), "");
  EXPECT_EQ(std::string(hat_edge_model_id(translator)).size(), 16U);
  hat_edge_close(translator);
}

TEST_F(CInterface, ErrorsAreReturned) {
  EXPECT_EQ(hat_edge_open("/nonexistent.hat", 1), nullptr);
  EXPECT_NE(std::string(hat_edge_last_error()).find("nonexistent"), std::string::npos);
  EXPECT_EQ(hat_edge_open(nullptr, 1), nullptr);
  EXPECT_EQ(hat_edge_open(path_.c_str(), 0), nullptr);
  hat_edge_translator* translator = hat_edge_open(path_.c_str(), 1);
  ASSERT_NE(translator, nullptr);
  EXPECT_EQ(hat_edge_translate(translator, nullptr, nullptr), -1);
  hat_edge_options options = hat_edge_default_options();
  options.beam = 1000;
  EXPECT_EQ(hat_edge_translate(translator, "x", &options), -1);
  EXPECT_NE(std::string(hat_edge_last_error()).find("beam"), std::string::npos);
  EXPECT_EQ(hat_edge_translate(nullptr, "x", nullptr), -1);
  hat_edge_close(translator);
  hat_edge_close(nullptr);
}

}  // namespace
}  // namespace hat::edge
