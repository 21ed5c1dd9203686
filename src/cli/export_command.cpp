#include <memory>

#include "commands.h"
#include "export_options.h"
#include "torch_commands.h"

namespace hat::cli {

Command export_command() {
  auto options = std::make_shared<ExportOptions>();
  return {
      "export",
      kUseGroup,
      "Write the model file that runs on the device, and prove that it translates alike",
      "Packs the weights, the tokenizers and the architecture of a finetuned model into one file,\n"
      "models/NAME/model.hat, which hat translate and hat-run read. Sentences of the validation\n"
      "set are translated by the network and by the file's runtime, and the file is refused when\n"
      "they differ: in fp32 the tokens must be equal, in int8 and int4 the runtime must give them\n"
      "the same probability up to what rounding of weights explains.\n\n"
      "--shortlist N keeps about N words of the output vocabulary for a sentence, chosen by a\n"
      "lexicon learnt from the training corpus: faster, and rarely different.\n\n"
      "Examples:\n"
      "  hat export\n"
      "  hat export --precision int4\n"
      "  hat export --precision fp32 --output model-fp32.hat\n"
      "  hat export --shortlist 1000 --parity-sentences 500\n",
      [options](CLI::App& app) {
        WorkspaceFlags& flags = options->workspace;
        flags.declare(app);
        app.add_option("--model", options->model, "The model's name; the latest when not given")
            ->type_name("NAME");
        app.add_option("--output", options->output, "Where to write; models/NAME/model.hat")
            ->type_name("FILE");
        flags.bind(app, "--precision", "export.precision");
        flags.bind(app, "--shortlist", "export.shortlist");
        flags.bind(app, "--parity-sentences", "export.parity_sentences");
        app.add_flag("--json", options->json, "Print the result as JSON");
      },
      [options] { run_export(*options); }};
}

}  // namespace hat::cli
