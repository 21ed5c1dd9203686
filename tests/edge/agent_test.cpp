#include "hat/edge/agent.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "edge/small_models.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"

namespace hat::edge {
namespace {

using config::Json;

Json request() {
  Json out;
  out["type"] = "measure";
  out["id"] = 7;
  out["architecture"] = Json::parse(to_json(testing::uneven_architecture()).dump());
  out["workload"] = {{"batch", 2},
                     {"beam", 3},
                     {"source_length", 6},
                     {"target_length", 5},
                     {"source_vocabulary", 60},
                     {"target_vocabulary", 60}};
  out["repetitions"] = 4;
  out["warmup"] = 1;
  return out;
}

Json ask(Agent& agent, const Json& what) { return Json::parse(agent.answer(what.dump())); }

TEST(Agent, GreetsWithProtocolAndMachine) {
  const Json hello = Json::parse(Agent().hello());
  EXPECT_EQ(hello["type"], "hello");
  EXPECT_EQ(hello["protocol"], kAgentProtocol);
  EXPECT_FALSE(hello["machine"]["isa"].get<std::string>().empty());
  EXPECT_GT(hello["machine"]["memory_bytes"].get<double>(), 0);
}

TEST(Agent, MeasuresWithAnAnchorInBetween) {
  Agent agent;
  Json what = request();
  what["anchors"] = Json::array(
      {{{"architecture", what["architecture"]}}, {{"architecture", what["architecture"]}}});
  what["anchor_every"] = 2;
  const Json reply = ask(agent, what);
  ASSERT_EQ(reply["type"], "result") << reply.dump();
  EXPECT_EQ(reply["id"], 7);
  EXPECT_EQ(reply["stopped_by"], "repetitions");
  for (const char* key : {"encoder_ms", "decoder_ms", "total_ms", "total_cpu_ms"}) {
    ASSERT_EQ(reply[key].size(), 4U) << key;
    for (const double value : reply[key]) EXPECT_GE(value, 0) << key;
  }
  EXPECT_EQ(reply["anchor_after"], Json::array({0, 2, 4}));
  ASSERT_EQ(reply["anchors"].size(), 2U);
  EXPECT_EQ(reply["anchors"][1]["total_ms"].size(), 3U);
  EXPECT_EQ(reply["anchors"][1]["model_id"], reply["model_id"]);
  EXPECT_EQ(ask(agent, what)["model_id"], reply["model_id"]);
  what["seed"] = 2;
  EXPECT_NE(ask(agent, what)["model_id"], reply["model_id"]);
}

TEST(Agent, TellsThePiecesOfEveryRun) {
  Agent agent;
  Json what = request();
  what["anchors"] = Json::array({{{"architecture", what["architecture"]}}});
  const Json reply = ask(agent, what);
  ASSERT_EQ(reply["piece_ms"].size(), 4U);
  EXPECT_EQ(reply["encoder_pieces"], 1);
  for (size_t run = 0; run < 4; ++run) {
    ASSERT_EQ(reply["piece_cpu_ms"][run].size(), 6U);  // the encoder and five steps
    double sum = 0;
    for (const double ms : reply["piece_ms"][run]) sum += ms;
    EXPECT_NEAR(sum, reply["total_ms"][run].get<double>(), 0.01);
    EXPECT_NEAR(reply["piece_ms"][run][0], reply["encoder_ms"][run].get<double>(), 0.001);
  }
  EXPECT_EQ(reply["anchors"][0]["piece_ms"].size(), 5U);
  // Many steps and many runs are told in fewer pieces: a reply is one line of bounded length.
  what["workload"]["target_length"] = 60;
  EXPECT_EQ(ask(agent, what)["piece_ms"][0].size(), 33U);
  what["repetitions"] = 4000;
  what["time_limit_ms"] = 1;
  EXPECT_EQ(ask(agent, what)["piece_ms"][0].size(), 5U);
}

TEST(Agent, RunsADistributionOfLengths) {
  Agent agent;
  Json what = request();
  what["workload"]["lengths"] = {{3, 4}, {9, 6}};
  const Json reply = ask(agent, what);
  ASSERT_EQ(reply["type"], "result") << reply.dump();
  EXPECT_EQ(reply["encoder_pieces"], 2);
  EXPECT_EQ(reply["piece_ms"][0].size(), 12U);  // two encoder runs, ten steps
  double sum = 0;
  for (const double ms : reply["piece_ms"][0]) sum += ms;
  EXPECT_NEAR(sum, reply["total_ms"][0].get<double>(), 0.01);
  what["workload"]["lengths"] = {{3, 4}, {9, 2000}};
  EXPECT_EQ(ask(agent, what)["type"], "error");
}

/// What another runtime needs to be measured by the same agent.
class FakeBackend : public AgentBackend {
 public:
  class Network : public AgentNetwork {
   public:
    Timing run() override {
      Timing timing;
      timing.encoder_ms = 1;
      timing.decoder_ms = 2;
      timing.piece_ms = timing.piece_cpu_ms = {1, 2};
      return timing;
    }
    std::string model_id() const override { return "fake"; }
    double model_bytes() const override { return 5; }
  };
  std::string program() const override { return "other"; }
  std::string isa() const override { return "none"; }
  std::string machine() const override { return "paper"; }
  void check(const AgentSubject& subject) const override {
    HAT_CHECK(subject.precision == arch::Precision::kFp32, ErrorKind::kConfig, "fp32 only");
  }
  std::unique_ptr<AgentNetwork> build(const AgentSubject&) override {
    return std::make_unique<Network>();
  }
};

TEST(Agent, ServesOtherRuntimes) {
  Agent agent(std::make_unique<FakeBackend>());
  const Json hello = Json::parse(agent.hello());
  EXPECT_EQ(hello["program"], "other");
  EXPECT_EQ(hello["machine"]["model"], "paper");
  Json what = request();
  EXPECT_EQ(ask(agent, what)["message"], "fp32 only");
  what["precision"] = "fp32";
  const Json reply = ask(agent, what);
  EXPECT_EQ(reply["total_ms"][0], 3);
  EXPECT_EQ(reply["piece_ms"][0], Json::array({1, 2}));
}

TEST(Agent, StopsWhenTheTimeIsUp) {
  Agent agent;
  Json what = request();
  what["repetitions"] = 10'000;
  what["time_limit_ms"] = 1;
  const Json reply = ask(agent, what);
  EXPECT_EQ(reply["stopped_by"], "time_limit");
  EXPECT_GE(reply["total_ms"].size(), 1U);
  EXPECT_LT(reply["total_ms"].size(), 10'000U);
}

TEST(Agent, MeasuresEveryPrecisionAndShortlists) {
  Agent agent;
  for (const char* precision : {"fp32", "int8", "int4"}) {
    Json what = request();
    what["precision"] = precision;
    what["shortlist"] = 20;
    EXPECT_EQ(ask(agent, what)["type"], "result") << precision;
  }
}

TEST(Agent, AnswersNonsenseWithAnError) {
  Agent agent;
  const std::vector<std::string> lines = {"",
                                          "garbage",
                                          "{",
                                          "[]",
                                          "17",
                                          "null",
                                          "{\"type\":3}",
                                          "{\"type\":\"dance\",\"id\":1}",
                                          "\xff\xfe",
                                          "{\"id\":9}",
                                          std::string(100'000, '['),
                                          "{\"type\":\"measure\"}"};
  for (const auto& line : lines) {
    const Json reply = Json::parse(agent.answer(line));
    EXPECT_EQ(reply["type"], "error") << line.substr(0, 40);
    EXPECT_FALSE(reply["message"].get<std::string>().empty());
  }
  EXPECT_FALSE(agent.quit());
  EXPECT_EQ(ask(agent, {{"type", "ping"}, {"id", 4}})["id"], 4);
}

TEST(Agent, RefusesRequestsBeyondItsBounds) {
  Agent agent;
  const std::vector<std::pair<std::string, Json>> wrong = {
      {"/workload/beam", 900},
      {"/workload/batch", 100'000},
      {"/workload/source_length", -1},
      {"/workload/source_length", 4000},
      {"/workload/target_vocabulary", 2'000'000'000},
      {"/workload/target_vocabulary", 61},
      {"/threads", 0},
      {"/repetitions", 1e9},
      {"/time_limit_ms", "soon"},
      {"/precision", "int7"},
      {"/shortlist", 61},
      {"/seed", -3},
      {"/repetition", 3},
      {"/anchors", 3},
      {"/anchors", Json::array()},
      {"/anchors", Json::array({3})},
      {"/anchors", Json::array({{{"architecture", 7}}})},
      {"/anchors", Json::array({1, 2, 3, 4, 5})},
      {"/anchor_every", 0},
      {"/options/activation", "tanh"},
      {"/architecture/encoder/embed_dim", 0},
      {"/architecture/encoder/embed_dim", 1 << 30},
      {"/architecture/decoder/layers/0/ffn_dim", 2'000'000'000}};
  for (const auto& [pointer, value] : wrong) {
    Json what = request();
    what[Json::json_pointer(pointer)] = value;
    const Json reply = ask(agent, what);
    EXPECT_EQ(reply["type"], "error") << pointer << " " << value;
    EXPECT_EQ(reply["id"], 7);
  }
  // Within every single bound, but more work than a run may be.
  Json what = request();
  what["workload"] = {{"batch", 256},
                      {"beam", 64},
                      {"source_length", 1024},
                      {"target_length", 1024},
                      {"source_vocabulary", 1'000'000},
                      {"target_vocabulary", 1'000'000}};
  EXPECT_EQ(ask(agent, what)["type"], "error");
}

TEST(Agent, ServesPipesUntilQuit) {
  int to_agent[2], from_agent[2];
  ASSERT_EQ(::pipe(to_agent), 0);
  ASSERT_EQ(::pipe(from_agent), 0);
  std::thread server([&] {
    run_agent(to_agent[0], from_agent[1]);
    ::close(from_agent[1]);
  });
  std::string input(Agent::kMaxLineBytes + 5000, 'x');
  input += "\n\n{\"type\":\"ping\",\"id\":1}\n{\"type\":\"quit\"}\n{\"type\":\"ping\",\"id\":2}\n";
  std::thread writer([&] {
    size_t done = 0;
    while (done < input.size()) {
      const ssize_t n = ::write(to_agent[1], input.data() + done, input.size() - done);
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    ::close(to_agent[1]);
  });
  std::string output;
  char block[4096];
  for (ssize_t n; (n = ::read(from_agent[0], block, sizeof block)) > 0;)
    output.append(block, static_cast<size_t>(n));
  server.join();
  writer.join();
  ::close(to_agent[0]);
  ::close(from_agent[0]);
  std::vector<std::string> types;
  for (const auto& line : split(output, '\n')) {
    if (!line.empty()) types.push_back(Json::parse(line)["type"]);
  }
  EXPECT_EQ(types, (std::vector<std::string>{"hello", "error", "pong"}));
}

}  // namespace
}  // namespace hat::edge
