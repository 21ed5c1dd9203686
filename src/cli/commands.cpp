#include "commands.h"

#include "command.h"

namespace hat::cli {

std::vector<Command> all_commands() {
  return {
      describe_command(),
      import_command(),
      config_command(),
  };
}

}  // namespace hat::cli
