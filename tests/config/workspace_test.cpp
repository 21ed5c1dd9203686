#include "hat/config/workspace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "hat/base/error.h"

namespace hat::config {
namespace {

using ::testing::HasSubstr;

class WorkspaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) /
            (std::string("ws_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "deep" / "er");
    root_ = fs::canonical(root_);
  }
  void write(const std::string& text) { std::ofstream(root_ / "hat.json") << text; }
  fs::path root_;
};

TEST_F(WorkspaceTest, IsFoundUpwardAndTakesAssignments) {
  write(R"({"version": 1, "space": "tiny", "train": {"dropout": 0.3}})");
  const Workspace w = Workspace::find(root_ / "deep" / "er", {"train.dropout=0.2", "seed=9"});
  EXPECT_EQ(w.root(), root_);
  EXPECT_EQ(w.config().train.dropout, 0.2);
  EXPECT_EQ(w.provenance().at("train.dropout"), "--set");
  EXPECT_EQ(w.config().seed, 9);
  EXPECT_EQ(w.config().space, "tiny");
}

TEST_F(WorkspaceTest, FinetuneFollowsTrainUnlessToldOtherwise) {
  write(
      R"({"train": {"batch_tokens": 512, "dropout": 0.3, "max_minutes": 5, "strategy": "sandwich"},
            "finetune": {"train": {"dropout": 0.0}}})");
  const Workspace w = Workspace::open(root_, {"train.label_smoothing=0"});
  const TrainConfig& finetune = w.config().finetune.train;
  EXPECT_EQ(finetune.batch_tokens, 512);
  EXPECT_EQ(finetune.label_smoothing, 0);
  EXPECT_EQ(finetune.dropout, 0);
  EXPECT_EQ(finetune.max_minutes, 0);
  EXPECT_EQ(finetune.strategy, "auto");
  EXPECT_THAT(w.provenance().at("finetune.train.batch_tokens"), HasSubstr("train.batch_tokens"));
}

TEST_F(WorkspaceTest, NoneNewerAndWrongAreRefused) {
  try {
    Workspace::find(root_);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_THAT(e.hint(), HasSubstr("hat init"));
  }
  write(R"({"version": 2, "key_of_the_future": 1})");
  try {
    Workspace::find(root_);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kConfig);
    EXPECT_THAT(e.message(), HasSubstr("workspace version 2"));
  }
  write("{\"version\": 1,\n \"seed\": }");
  EXPECT_THROW(Workspace::find(root_), Error);
}

TEST_F(WorkspaceTest, SearchesAndModelsAreNumberedAndNamed) {
  write("{}");
  const Workspace w = Workspace::open(root_);
  EXPECT_TRUE(w.latest_search().empty());
  EXPECT_TRUE(w.model_dir("").empty());
  const fs::path first = w.new_search_dir();
  const fs::path second = w.new_search_dir();
  EXPECT_EQ(second.filename(), "2");
  std::ofstream(first / "result.json") << "{}";
  EXPECT_EQ(w.latest_search(), first) << "the second has no result yet";
  ensure_directory(w.models_dir());
  w.set_latest_model("abc");
  EXPECT_EQ(w.model_dir(""), root_ / "models" / "abc");
  EXPECT_THROW(w.model_dir("../abc"), Error);
  EXPECT_THROW(w.set_latest_model(".hidden"), Error);
}

TEST_F(WorkspaceTest, RunRecordsSayWhereValuesCameFrom) {
  write(R"({"seed": 5})");
  const Workspace w = Workspace::open(root_, {"train.dropout=0.2"});
  write_run_records(root_ / "super", w, "hat train-super");
  const Json config = load_json(root_ / "super" / "config.json");
  EXPECT_EQ(config["train"]["dropout"], 0.2);
  EXPECT_EQ(config["_origins"]["train.dropout"], "--set");
  EXPECT_EQ(load_json(root_ / "super" / "env.json")["seed"], 5);
}

}  // namespace
}  // namespace hat::config
