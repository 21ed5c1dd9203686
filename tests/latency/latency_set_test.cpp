#include "hat/latency/latency_set.h"

#include <gtest/gtest.h>

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/latency/measure.h"
#include "latency_fixtures.h"

namespace hat::latency {
namespace {

using testing::TemporaryFolder;

constexpr const char* kHeader =
    "encoder_embed_dim,encoder_layer_num,encoder_ffn_embed_dim_avg,encoder_self_attention_heads_"
    "avg,"
    "decoder_embed_dim,decoder_layer_num,decoder_ffn_embed_dim_avg,decoder_self_attention_heads_"
    "avg,"
    "decoder_ende_attention_heads_avg,decoder_arbitrary_ende_attn_avg,latency_mean_encoder,"
    "latency_mean_decoder,latency_std_encoder,latency_std_decoder";

LatencySet read(const std::string& text, const char* name = "iwslt_x.csv") {
  const TemporaryFolder folder;
  write_file_atomic(folder.path() / name, text);
  return read_latency_set(folder.path() / name);
}

TEST(Csv, ReadsTheOriginalsColumns) {
  const LatencySet set =
      read(str(kHeader, "\r\n640,6,2048,8,512,2,1024,4,8,1.5,5.5,100.25,0.1,0.2\r\n"));
  ASSERT_EQ(set.rows.size(), 1U);
  const LatencyRow& row = set.rows[0];
  EXPECT_EQ(row.line, 2);
  EXPECT_DOUBLE_EQ(row.total_ms, 105.75);
  EXPECT_EQ(row.totals.encoder_dim, 640);
  EXPECT_DOUBLE_EQ(row.totals.decoder_ffn, 2048);
  EXPECT_DOUBLE_EQ(row.totals.cross_span, 3);
  EXPECT_DOUBLE_EQ(row.totals.cross_span_qkv, 1536);
  EXPECT_EQ(set.workload.source_length, 23);
  EXPECT_TRUE(set.imported);
}

TEST(Csv, ColumnsMayComeInAnyOrderWithFacts) {
  std::string header = kHeader;
  const LatencySet set =
      read("threads," + header + "\n2,640,6,2048,8,512,2,1024,4,8,1.5,5.5,100.25,0.1,0.2\n");
  ASSERT_EQ(set.rows.size(), 1U);
  EXPECT_EQ(set.rows[0].facts.at("threads"), "2");
}

TEST(Csv, BadRowsAreSetAsideWithTheirReason) {
  const std::string start = str(kHeader, "\n640,6,2048,8,512,2,1024,4,8,1.5,5.5,100,0.1,0.2\n");
  for (const char* bad :
       {"640,6,2048,8,512,2,1024,4,8,1.5,-5.5,100,0.1,0.2",
        "640,6,2048,8,512,2,1024,4,8,1.5,nan,100,0,0", "640,6,2048,8,512,2,1024,4,8,1.5,5,inf,0,0",
        "640,6,2048,8,512,2,1024,4,8,1.5,5", "a,b", "640,6,2048,8,512,2,1024,4,8,1.5,0,0,0,0",
        "640,6,2048,8,512,2,1024,4,8,1e99,5,100,0,0", "0,6,2048,8,512,2,1024,4,8,1,5,100,0,0",
        "640,6,2048,8,512,2,1024,4,8,1,5,100,0,0,9"}) {
    const LatencySet set = read(start + bad + "\n");
    EXPECT_EQ(set.rows.size(), 1U) << bad;
    ASSERT_EQ(set.rejected.size(), 1U) << bad;
    EXPECT_EQ(set.rejected[0].line, 3) << bad;
    EXPECT_FALSE(set.rejected[0].reason.empty());
  }
}

TEST(Csv, OtherFilesAreRefused) {
  EXPECT_THROW(read(""), Error);
  EXPECT_THROW(read("\n\n"), Error);
  EXPECT_THROW(read("name,age\nx,3\n"), Error);
  EXPECT_THROW(read(std::string(1000, '\0')), Error);
  EXPECT_THROW(read_latency_set("/nonexistent.csv"), Error);
}

TEST(Journal, RefusesWhatItIsNot) {
  for (const char* text : {"", "{}\n", "[1]\n", "garbage\n", "{\"type\":\"row\"}\n",
                           "{\"type\":\"latency set\",\"version\":99}\n"}) {
    EXPECT_THROW(read(text, "latency.jsonl"), Error) << text;
  }
}

TEST(Journal, ImportedSetsRoundTripAndSaySo) {
  const TemporaryFolder folder;
  const fs::path csv = folder.path() / "wmt_x.csv";
  std::string text = str(kHeader, "\n");
  for (int i = 0; i < 12; ++i) {
    text += str("640,6,2048,8,512,", 1 + i % 6, ",1024,4,8,1.5,5.5,", 40 * (1 + i % 6) + i,
                ",0.1,0.2\n");
  }
  write_file_atomic(csv, text);
  Device device;
  device.name = "rpi4";
  const fs::path journal = folder.path() / "rpi4" / "latency.jsonl";
  const LatencySet imported = import_latency_set(csv, device, journal);
  const LatencySet back = read_journal(journal);
  ASSERT_EQ(back.rows.size(), 12U);
  EXPECT_TRUE(back.imported);
  EXPECT_EQ(back.imported_from, "wmt_x.csv");
  EXPECT_EQ(back.workload, imported.workload);
  EXPECT_DOUBLE_EQ(back.rows[7].total_ms, imported.rows[7].total_ms);
  EXPECT_EQ(back.rows[7].averages, imported.rows[7].averages);
  EXPECT_THROW(import_latency_set(csv, device, journal), Error);
}

TEST(Journal, ASpoiltRowIsSetAsideAndTheRestIsRead) {
  const TemporaryFolder folder;
  const fs::path csv = folder.path() / "x.csv";
  write_file_atomic(csv, str(kHeader, "\n640,6,2048,8,512,2,1024,4,8,1.5,5.5,100,0.1,0.2\n"));
  Device device;
  device.name = "box";
  const fs::path journal = folder.path() / "latency.jsonl";
  import_latency_set(csv, device, journal);
  const std::string good = read_file(journal);
  write_file_atomic(journal, good + "{\"type\":\"row\",\"averages\":[1,2]}\nnot json\n");
  const LatencySet set = read_journal(journal);
  EXPECT_EQ(set.rows.size(), 1U);
  EXPECT_EQ(set.rejected.size(), 2U);
}

TEST(CostFeatures, AveragesAndLayersAgree) {
  const arch::Architecture a = testing::small_architecture();
  const arch::Workload w{1, 5, 20, 20, {1000, 1000}};
  const arch::LayerTotals totals = arch::layer_totals_from_original(arch::original_features(a), 64);
  const arch::CostFeatures x = arch::cost_features(a, w);
  const arch::CostFeatures y = arch::cost_features(totals, w);
  for (size_t f = 0; f < x.size(); ++f) EXPECT_NEAR(x[f], y[f], 1e-9) << f;
}

TEST(CostFeatures, ProductsAddUpToTheDecodingFlops) {
  const arch::Architecture a = testing::small_architecture();
  const arch::Workload w{2, 5, 20, 30, {1000, 1000}};
  const arch::CostFeatures x = arch::cost_features(a, w);
  double macs = 0;
  for (size_t f = 0; f < x.size(); ++f) {
    const std::string meaning = arch::cost_feature_list()[f].meaning;
    if (meaning.find("multiply-adds") != std::string::npos) macs += x[f] * 1e6;
  }
  EXPECT_NEAR(2 * macs / arch::flops_decoding(a, w), 1, 0.02);
}

}  // namespace
}  // namespace hat::latency
