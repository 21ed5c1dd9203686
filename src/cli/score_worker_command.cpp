#include <memory>

#include "commands.h"
#include "torch_commands.h"
#include "train_options.h"

namespace hat::cli {

Command score_worker_command() {
  auto options = std::make_shared<ScoreWorkerOptions>();
  return {"score-worker",
          "",  // hat search starts it; not listed
          "Score architectures with inherited weights, one JSON line each",
          "Reads {\"id\": n, \"architecture\": {...}, \"sentences\": m} from standard input and "
          "answers\n"
          "{\"id\": n, \"loss\": x, \"nll\": x, \"tokens\": t, \"ms\": t}, or {\"id\": n, "
          "\"error\": text}, until the\n"
          "input ends. hat search starts it when a score is not known yet.\n\n"
          "Example:\n"
          "  echo '{\"id\": 1, \"architecture\": {...}, \"sentences\": 200}' | hat score-worker\n",
          [options](CLI::App& app) { options->workspace.declare(app); },
          [options] { run_score_worker(*options); }};
}

}  // namespace hat::cli
