#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "hat/config/workspace.h"

/// How a subcommand is made. Each one is a file src/cli/<name>_command.cpp with a factory
/// `Command <name>_command()` that is listed in commands.cpp: it declares flags, and its run()
/// parses what the flags mean, builds objects of the modules and runs them. No algorithm lives
/// here.
///
/// `hat` itself never links LibTorch, so that help, describe, search and translate start at once. A
/// command that needs it declares its flags here like any other and calls a function declared in
/// torch_commands.h; `hat` links forward_to_torch.cpp, where these functions run `hat-torch` with
/// the same command line, and `hat-torch` links torch/*.cpp, which do the work.
namespace hat::cli {

/// What the program was called with.
struct Invocation {
  std::vector<std::string> argv;
  /// "hat train-super --max-minutes 30", for records.
  std::string text() const;
};
const Invocation& invocation();
void set_invocation(int argc, char** argv);

struct Command {
  std::string name;
  std::string group;    ///< heading in `hat --help`; empty: not listed
  std::string summary;  ///< one line
  std::string manual;   ///< what it does, what it writes, examples; printed below the flags
  std::function<void(CLI::App&)> declare;
  std::function<void()> run;
};

/// Headings of `hat --help`, in order of the user's day.
inline constexpr const char* kPrepareGroup = "Start";
inline constexpr const char* kTrainGroup = "Train";
inline constexpr const char* kDeviceGroup = "Measure";
inline constexpr const char* kSearchGroup = "Search and finish";
inline constexpr const char* kUseGroup = "Use";
inline constexpr const char* kInspectGroup = "Look inside";

/// Flags that every command on a workspace has: -C DIR, --set a.b=c. Flags of a command that
/// override a key of hat.json are added by bind(); they are applied in the order defaults <
/// hat.json < --set < flags. Keep it in a std::shared_ptr captured by declare and run.
class WorkspaceFlags {
 public:
  /// Adds -C, --set, --seed and --threads.
  void declare(CLI::App& app);
  /// Adds a flag that sets one key; its help text, range and default come from the key's
  /// declaration.
  void bind(CLI::App& app, const std::string& flag, const std::string& key);
  /// Finds and reads the workspace with all overrides.
  config::Workspace open() const;
  /// The resolved settings; outside of a workspace (and without -C) the defaults, --set and flags.
  config::WorkspaceConfig settings() const;
  /// config.threads, or every core.
  static int threads(const config::Workspace& workspace);
  static int threads(const config::WorkspaceConfig& settings);

 private:
  std::string directory_ = ".";
  std::vector<std::string> assignments_;
  struct Bound {
    std::string flag;
    std::string key;
    std::string value;
  };
  std::vector<std::shared_ptr<Bound>> bound_;
};

/// Prints to stdout; throws kIo when nobody reads it any more or the disk is full.
void print(std::string_view text);
inline void print_line(std::string_view text) { print(std::string(text) + "\n"); }
void print_json(const config::OrderedJson& value);

/// All commands, in order of the user's day.
std::vector<Command> all_commands();

/// main() of both programs: parses, runs, turns errors into messages and exit codes.
int run_program(int argc, char** argv);

}  // namespace hat::cli
