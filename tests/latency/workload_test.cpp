#include "hat/latency/workload.h"

#include <gtest/gtest.h>

#include "hat/base/error.h"
#include "latency_fixtures.h"

namespace hat::latency {
namespace {

class WorkloadOf : public ::testing::Test {
 protected:
  config::Workspace workspace(const std::string& latency, bool groups = true) {
    write_file_atomic(folder_.path() / "hat.json", R"({"version": 1, "latency": )" + latency + "}");
    ensure_directory(folder_.path() / "data");
    const std::string pairs =
        groups ? R"(, "length_groups": [[4, 5], [8, 9], [12, 13], [2000, 17]])" : "";
    write_file_atomic(folder_.path() / "data" / "data.json",
                      R"({"source_vocabulary": 90, "target_vocabulary": 80, "splits": {"train":
                          {"source": {"mean": 9.6}, "target": {"mean": 10.2})" +
                          pairs + "}}}");
    return config::Workspace::open(folder_.path());
  }

 private:
  testing::TemporaryFolder folder_;
};

TEST_F(WorkloadOf, TheMeanLengthsAreTheDefault) {
  const arch::Workload w = workspace_workload(workspace("{}"));
  EXPECT_EQ(w.source_length, 10);
  EXPECT_EQ(w.target_length, 10);
  EXPECT_TRUE(w.lengths.empty());
  EXPECT_EQ(w.vocabulary.target, 80);
}

TEST_F(WorkloadOf, TheCorpusGivesItsDistribution) {
  const arch::Workload w = workspace_workload(workspace(R"({"lengths": "corpus"})"));
  ASSERT_EQ(w.lengths.size(), 4U);
  EXPECT_EQ(w.lengths[1], (arch::SentenceLength{8, 9}));
  EXPECT_EQ(w.lengths[3].source, 1024);  // longer than an agent measures
  EXPECT_EQ(w.target_length, 11);
  EXPECT_NE(w, workspace_workload(workspace("{}")));
}

TEST_F(WorkloadOf, LengthsThatContradictAreRefused) {
  EXPECT_THROW(workspace_workload(workspace(R"({"lengths": "corpus", "source_length": 9})")),
               Error);
  EXPECT_THROW(workspace_workload(workspace(R"({"lengths": "corpus"})", false)), Error);
}

}  // namespace
}  // namespace hat::latency
