#include <unistd.h>

#include "arguments.h"
#include "commands.h"
#include "hat/edge/agent.h"

namespace hat::run {

int agent_command(const Args& arguments) {
  Arguments args(
      "agent",
      "Measures networks for `hat measure-latency`: reads requests from stdin and writes "
      "replies to stdout,\none JSON object a line (docs/agent-protocol.md). Ends with "
      "its input.");
  std::string help;
  if (!args.parse(arguments, &help)) {
    print(help);
    return 0;
  }
  edge::run_agent(STDIN_FILENO, STDOUT_FILENO);
  return 0;
}

}  // namespace hat::run
