#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hat::run {

using Args = std::vector<std::string>;

// One function a command; the return value is the exit code.
int translate_command(const Args& arguments);
int classify_command(const Args& arguments);
int bench_command(const Args& arguments);
int agent_command(const Args& arguments);
int info_command(const Args& arguments);

/// Writes to stdout; throws kIo when nobody reads it any more.
void print(std::string_view text);

}  // namespace hat::run
