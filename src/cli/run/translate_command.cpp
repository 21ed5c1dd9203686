#include "commands.h"
namespace hat::run {
int translate_command(const Args&) { return 1; }
}  // namespace hat::run
