#include <memory>

#include "agent_options.h"
#include "commands.h"
#include "torch_commands.h"

namespace hat::cli {

Command agent_command() {
  auto options = std::make_shared<AgentOptions>();
  return {"agent",
          "",  // hat measure-latency starts it; not listed
          "Measure networks with LibTorch for hat measure-latency",
          "Reads requests from standard input and answers on standard output, one JSON object a "
          "line\n"
          "(docs/agent-protocol.md), as 'hat-run agent' does for hat's own runtime. Devices with "
          "\"engine\":\n"
          "\"libtorch\" use it.\n\n"
          "Example:\n"
          "  hat devices --check cuda\n",
          [options](CLI::App& app) {
            app.add_option("--backend", options->backend, "Where networks run: cpu or cuda [cpu]")
                ->check(CLI::IsMember({"cpu", "cuda"}));
          },
          [options] { run_agent(*options); }};
}

}  // namespace hat::cli
