#include "commands.h"
#include "hat/arch/search_space.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::cli {
namespace {

struct Options {
  std::string file;
  std::string output;
  int qkv_dim = 512;
};

config::OrderedJson convert(const Options& options) {
  // A SuperTransformer's file has lists of choices, a SubTransformer's has values.
  const std::string text = read_file(options.file, 1 << 24);
  if (text.find("-choice") != std::string::npos) {
    return arch::SearchSpace::load(options.file).to_json();
  }
  return arch::to_json(arch::load_architecture(options.file, options.qkv_dim));
}

void run(const Options& options) {
  const config::OrderedJson json = convert(options);
  if (options.output == "-") {
    print_json(json);
    return;
  }
  HAT_CHECK(!fs::exists(options.output), ErrorKind::kUsage, str(options.output, " exists already"),
            "Give another name with --output.");
  config::save_json(options.output, json);
  print_line(str("wrote ", options.output));
}

}  // namespace

Command import_command() {
  auto options = std::make_shared<Options>();
  return {"import",
          kInspectGroup,
          "Turn the original's YAML into hat's JSON",
          "Reads the file of a SubTransformer (an architecture) or of a SuperTransformer (a "
          "space). Every\n"
          "command that takes an architecture or a space reads the YAML itself; this is for "
          "editing.\n\n"
          "Examples:\n"
          "  hat import space0.yml -o wmt.json\n"
          "  hat import HAT_wmt14ende_raspberrypi.yml\n",
          [options](CLI::App& app) {
            app.add_option("file", options->file, "The YAML file")->required();
            app.add_option("-o,--output", options->output, "Where to write; - prints [-]");
            app.add_option("--qkv-dim", options->qkv_dim,
                           "Attention width where the file does not say [512]")
                ->check(CLI::Range(1, 65536));
            options->output = "-";
          },
          [options] { run(*options); }};
}

}  // namespace hat::cli
