#include <csignal>
#include <cstdio>
#include <new>

#include "command.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/progress.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"
#include "hat/base/version.h"
#include "logging.h"

namespace hat::cli {
namespace {

constexpr const char* kAbout =
    "hat finds the best transformer for your data on your device: it trains one weight-sharing\n"
    "SuperTransformer, measures the device, searches for the SubTransformer that keeps a latency\n"
    "budget, finishes it, quantises it, and runs it there.\n";

constexpr const char* kDay =
    "A day with hat:\n"
    "  hat init --demo                     a workspace with a generated corpus\n"
    "  hat prepare                         tokenizer and corpus\n"
    "  hat train-super                     one network that holds all others\n"
    "  hat measure-latency --device local  real timings of the real device\n"
    "  hat search --latency 2ms            the best network within the budget\n"
    "  hat finetune                        finish its weights\n"
    "  hat export                          one int8 file for the device\n"
    "  echo \"...\" | hat translate\n"
    "\n"
    "'hat COMMAND --help' explains a command. docs/config.md lists every key of hat.json.\n";

/// CLI11's help, with long descriptions broken at blanks.
class WrappingFormatter : public CLI::Formatter {
 public:
  std::string make_option_desc(const CLI::Option* option) const override {
    constexpr size_t kWidth = 66;
    const std::string text = CLI::Formatter::make_option_desc(option);
    std::string wrapped;
    size_t column = 0;
    for (const std::string& word : split_words(text)) {
      if (column > 0 && column + 1 + word.size() > kWidth) {
        wrapped += "\n";
        column = 0;
      } else if (column > 0) {
        wrapped += " ";
        ++column;
      }
      wrapped += word;
      column += word.size();
    }
    return wrapped;
  }
};

int report(const Error& error) {
  Progress::clear_live_line();
  std::fprintf(stderr, "hat: error: %s\n", error.message().c_str());
  if (!error.hint().empty()) std::fprintf(stderr, "hat: hint: %s\n", error.hint().c_str());
  return exit_code(error.kind());
}

/// CLI11's messages for a mistyped name, with the nearest one added.
std::string usage_hint(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
  }
  if (argc > 1 && argv[1][0] != '-') {
    for (const std::string& name : names) {
      if (name == argv[1]) return "Run 'hat " + name + " --help'.";
    }
    const std::string near = nearest_name(argv[1], names);
    if (!near.empty()) return "Did you mean 'hat " + near + "'?";
  }
  return "Run 'hat --help'.";
}

int parse_and_run(int argc, char** argv) {
  CLI::App app(kAbout, "hat");
  app.footer(kDay);
  app.set_version_flag(
      "--version", str("hat ", version(), " (", build_commit(), ", ", build_description(), ")"));
  app.require_subcommand(1);
  app.formatter(std::make_shared<WrappingFormatter>());
  app.get_formatter()->column_width(34);
  bool quiet = false;
  bool verbose = false;
  app.add_flag("-q,--quiet", quiet, "Only warnings and errors on stderr");
  app.add_flag("-v,--verbose", verbose, "Also what is useful for finding a fault");
  app.fallthrough();
  const std::vector<Command> commands = all_commands();
  for (const Command& command : commands) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->group(command.group);
    sub->footer(command.manual);
    if (command.declare) command.declare(*sub);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    fail(ErrorKind::kUsage, error.what(), usage_hint(app, argc, argv));
  }
  set_log_level(quiet ? LogLevel::kWarning : verbose ? LogLevel::kDebug : LogLevel::kInfo);
  for (const Command& command : commands) {
    if (app.got_subcommand(command.name)) command.run();
  }
  return 0;
}

}  // namespace

int run_program(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  set_invocation(argc, argv);
  install_logging();
  install_stop_handlers();
  try {
    return parse_and_run(argc, argv);
  } catch (const Error& error) {
    return report(error);
  } catch (const std::bad_alloc&) {
    return report(Error(ErrorKind::kIo, "out of memory",
                        "Use smaller batches (--set train.batch_tokens=...) or a smaller space."));
  } catch (const std::exception& error) {
    return report(
        Error(ErrorKind::kInternal, error.what(),
              "This is a fault of hat; please report it with the command that led here."));
  }
}

}  // namespace hat::cli
