// hat-run: translates, and measures networks, on the device. No libraries from outside, one file.
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>

#include "commands.h"
#include "hat/base/error.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"
#include "hat/base/version.h"

namespace hat::run {
namespace {

constexpr const char* kUsage =
    "usage: hat-run COMMAND [flags]\n"
    "\n"
    "  translate   translate lines of text with a model file\n"
    "  bench       time a model file, or an architecture with random weights\n"
    "  agent       measure networks for `hat measure-latency` (JSON lines on stdin and stdout)\n"
    "  info        show this machine, or what is in a model file\n"
    "  classify    not available: model files hold translation networks only\n"
    "\n"
    "`hat-run COMMAND --help` explains a command. Environment: HAT_ISA forces an instruction "
    "set.\n";

int dispatch(const Args& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    print(kUsage);
    return arguments.empty() ? exit_code(ErrorKind::kUsage) : 0;
  }
  const std::string& name = arguments[0];
  const Args rest(arguments.begin() + 1, arguments.end());
  if (name == "--version") {
    print(str("hat-run ", version(), " (", build_commit(), ", ", build_description(), ")\n"));
    return 0;
  }
  if (name == "translate") return translate_command(rest);
  if (name == "bench") return bench_command(rest);
  if (name == "agent") return agent_command(rest);
  if (name == "info") return info_command(rest);
  if (name == "classify") return classify_command(rest);
  fail(ErrorKind::kUsage,
       str("unknown command '", name, "'.",
           did_you_mean(name, {"translate", "bench", "agent", "info", "classify"})),
       "hat-run --help lists the commands");
}

int report(const Error& error) {
  std::cerr << "hat-run: error: " << error.message() << "\n";
  if (!error.hint().empty()) std::cerr << "hint: " << error.hint() << "\n";
  return exit_code(error.kind());
}

}  // namespace

void print(std::string_view text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  HAT_CHECK(written, ErrorKind::kIo,
            "cannot write to stdout: nobody reads it, or the disk is full");
}

int classify_command(const Args&) {
  fail(ErrorKind::kUsage, "hat-run has no classifier: model files hold translation networks only",
       "classify with `hat classify`");
}

int main_program(int argc, char** argv) {
  // A reader that has gone is an error of write(), not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  install_stop_handlers();
  try {
    return dispatch(Args(argv + 1, argv + argc));
  } catch (const Error& error) {
    return report(error);
  } catch (const std::bad_alloc&) {
    return report(Error(ErrorKind::kIo, "out of memory", "use smaller batches or a smaller model"));
  } catch (const std::exception& error) {
    return report(Error(ErrorKind::kInternal, error.what()));
  }
}

}  // namespace hat::run

int main(int argc, char** argv) { return hat::run::main_program(argc, argv); }
