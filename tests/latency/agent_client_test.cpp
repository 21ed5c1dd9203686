#include "hat/latency/agent_client.h"

#include <gtest/gtest.h>

#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "latency_fixtures.h"

namespace hat::latency {
namespace {

using testing::fake_device;
using testing::have_python;
using testing::small_architecture;

MeasureRequest small_request() {
  MeasureRequest request;
  request.architecture = small_architecture();
  request.anchors = {small_architecture(), small_architecture()};
  request.repetitions = 6;
  request.time_limit_ms = 200;
  return request;
}

TEST(AgentClient, ReadsASoundReply) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const Device device = fake_device("normal");
  AgentClient agent(device.command, device);
  EXPECT_EQ(agent.hello().machine, "fake");
  const MeasureReply reply = agent.measure(small_request());
  EXPECT_EQ(reply.runs.size(), 6U);
  ASSERT_EQ(reply.anchors.size(), 2U);
  EXPECT_EQ(reply.anchors[1].size(), 7U);
  EXPECT_EQ(reply.anchor_after.back(), 6);
  EXPECT_EQ(agent.measure(small_request()).runs.size(), 6U);
}

class HostileAgent : public ::testing::TestWithParam<const char*> {};

TEST_P(HostileAgent, IsRefusedWithinItsTimeAndNamed) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const Device device = fake_device(GetParam());
  const double begin_ms = wall_ms();
  try {
    AgentClient agent(device.command, device);
    agent.measure(small_request());
    FAIL() << GetParam() << " was believed";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("fake"), std::string::npos) << error.message();
    EXPECT_FALSE(error.hint().empty()) << error.message();
    EXPECT_TRUE(error.kind() == ErrorKind::kIo || error.kind() == ErrorKind::kData);
    for (const char c : error.message()) EXPECT_GE(c, ' ') << error.message();
  }
  // Two waits of at most the time-outs, and what a busy machine adds to starting Python.
  EXPECT_LT(wall_ms() - begin_ms,
            1000 * (device.connect_timeout_s + device.reply_timeout_s) + 8000);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, HostileAgent,
    ::testing::Values("garbage", "endless", "silent", "gone", "protocol", "no-protocol", "negative",
                      "nan", "huge", "text", "unequal", "too-many", "empty", "wrong-id",
                      "no-anchor", "one-anchor", "anchor-text", "anchor-places", "deep", "array",
                      "garbage-later", "silent-later", "endless-later", "refuse", "pieces-unequal",
                      "pieces-sum", "pieces-nan", "pieces-negative", "pieces-many",
                      "pieces-few-runs", "pieces-encoder", "pieces-no-anchor", "pieces-missing",
                      "pieces-no-lists"));

TEST(AgentClient, LibTorchAgentsAreNotBelievedEither) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  for (const char* mode : {"garbage", "protocol", "nan", "endless-later", "pieces-sum", "gone"}) {
    Device device = fake_device(mode);
    device.engine = "libtorch";
    device.precision = "fp32";
    EXPECT_THROW(
        {
          AgentClient agent(device.command, device);
          agent.measure(small_request());
        },
        Error)
        << mode;
  }
}

/// The words of a command reach the program as they are: no shell reads them, ours or another.
TEST(AgentClient, NoShellReadsTheCommand) {
  const testing::TemporaryFolder folder;
  const fs::path touched = folder.path() / "touched";
  Device device = fake_device("normal");
  for (const std::string& text :
       {str("$(touch ", touched.string(), ")"), str("; touch ", touched.string()),
        str("`touch ", touched.string(), "`"), str("| touch ", touched.string()),
        str("\n touch ", touched.string())}) {
    device.command = {"echo", text};
    EXPECT_THROW(AgentClient(device.command, device), Error);
    EXPECT_FALSE(fs::exists(touched)) << text;
  }
}

TEST(AgentClient, ReadsPieces) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const Device device = fake_device("normal");
  AgentClient agent(device.command, device);
  const MeasureReply reply = agent.measure(small_request());
  EXPECT_EQ(reply.runs.encoder_pieces, 1U);
  ASSERT_EQ(reply.runs.piece_cpu_ms.size(), 6U);
  ASSERT_EQ(reply.anchors[0].piece_ms.size(), 7U);
  EXPECT_EQ(reply.anchors[0].piece_ms[6].size(), 5U);
}

/// A program of hat that ends says why: its own words reach the user, with its hint.
TEST(AgentClient, PassesOnWhatOurProgramsSay) {
  Device device = fake_device("normal");
  for (const char* text : {"hat: error: no such GPU\nhat: hint: plug it in",
                           "hat-run: error: no such GPU\nhint: plug it in"}) {
    device.command = {"sh", "-c", "printf '%s\\n' \"$1\" >&2; exit 2", "sh", text};
    try {
      AgentClient(device.command, device);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.message(), "device 'fake': no such GPU");
      EXPECT_EQ(error.hint(), "plug it in");
    }
  }
}

TEST(Devices, LibTorchRunsWholeNetworksInFp32) {
  Device device;
  device.engine = "libtorch";
  EXPECT_THROW(check(device, "test"), Error);  // int8 is the default
  device.precision = "fp32";
  EXPECT_NO_THROW(check(device, "test"));
  device.backend = "cuda";
  EXPECT_NO_THROW(check(device, "test"));
  device.shortlist = 100;
  EXPECT_THROW(check(device, "test"), Error);
  device.shortlist = 0;
  device.engine = "edge";
  EXPECT_THROW(check(device, "test"), Error);
  device.engine = "libtorch";
  device.connect = "ssh";
  device.host = "gpu";
  for (const char* program : {"hat-torch;reboot", "$(id)", "a b", "-x", "../x"}) {
    device.program = program;
    EXPECT_THROW(check(device, "test"), Error) << program;
  }
  device.program = "/opt/hat/bin/hat-torch";
  EXPECT_NO_THROW(check(device, "test"));
}

TEST(AgentClient, NamesAProgramThatIsMissing) {
  Device device = fake_device("normal");
  device.command = {"/nonexistent/hat-run", "agent"};
  EXPECT_THROW(AgentClient(device.command, device), Error);
}

TEST(Devices, ShippedOnesAreSound) {
  const fs::path none;
  for (const char* name : {"local", "local-2t", "rpi4", "rpi5", "jetson", "xeon", "cuda"}) {
    const Device device = find_device(name, none);
    EXPECT_FALSE(device.description.empty()) << name;
  }
  EXPECT_EQ(find_device("rpi4", none).host, "rpi4");
  EXPECT_EQ(find_device("local-2t", none).threads, 2);
}

TEST(Devices, UnknownNameNamesTheNearest) {
  try {
    find_device("rpi", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_NE(error.message().find("rpi4"), std::string::npos) << error.message();
  }
}

TEST(Devices, HostsAndPathsCannotCarryShellText) {
  for (const char* host : {"-oProxyCommand=touch /tmp/x", "a;reboot", "$(reboot)", "a b", "`id`",
                           "a|b", "a&b", "", "host\nother", "a>b", "'x'", "a\\b"}) {
    Device device;
    device.name = "bad";
    device.connect = "ssh";
    device.host = host;
    EXPECT_THROW(check(device, "test"), Error) << host;
  }
  for (const char* folder : {"a b", "$HOME", "../../etc", "-rf", "x;y", "~/x`id`", "", "a'b"}) {
    Device device;
    device.connect = "ssh";
    device.host = "rpi4";
    device.remote_folder = folder;
    EXPECT_THROW(check(device, "test"), Error) << folder;
  }
  Device good;
  good.connect = "ssh";
  for (const char* host : {"rpi4", "pi@192.168.1.20", "user@host.local", "[fe80::1%eth0]"}) {
    good.host = host;
    EXPECT_NO_THROW(check(good, "test")) << host;
  }
}

TEST(Devices, DefinitionsNameWrongKeysAndValues) {
  const testing::TemporaryFolder folder;
  const auto write = [&](const char* text) {
    write_file_atomic(folder.path() / "box.json", text);
    return folder.path() / "box.json";
  };
  EXPECT_THROW(load_device(write(R"({"conect": "ssh"})")), Error);
  EXPECT_THROW(load_device(write(R"({"connect": "telnet"})")), Error);
  EXPECT_THROW(load_device(write(R"({"threads": 0})")), Error);
  EXPECT_THROW(load_device(write(R"({"connect": "command"})")), Error);
  const Device device = load_device(write(R"({"connect": "ssh", "host": "box", "cores": [2, 3]})"));
  EXPECT_EQ(device.name, "box");
  EXPECT_EQ(device.cores.size(), 2U);
}

}  // namespace
}  // namespace hat::latency
