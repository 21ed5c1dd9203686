#include "forward_to_torch.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "command.h"
#include "hat/base/error.h"
#include "hat/base/file.h"
#include "hat/base/process.h"
#include "hat/base/strings.h"
#include "torch_commands.h"

namespace hat::cli {

void forward_to_torch() {
  const fs::path here = program_directory();
  for (const fs::path& path : {here / "hat-torch", here / ".." / "libexec" / "hat" / "hat-torch"}) {
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    std::vector<std::string> words = invocation().argv;
    words[0] = path.string();
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::fflush(nullptr);
    // Threads that wait without end for work ruin each other where a core is shared, and sleeping
    // ones are slow for small operations: a short wait, unless the user chose.
    setenv("GOMP_SPINCOUNT", "10000", 0);
    execv(path.c_str(), argv.data());
    fail(ErrorKind::kIo, str(path.string(), ": cannot be started: ", std::strerror(errno)));
  }
  fail(ErrorKind::kIo, str("this command needs hat-torch, which is not beside ", here.string()),
       "Build hat with LibTorch (scripts/setup.sh installs it).");
}

void run_agent(const AgentOptions&) { forward_to_torch(); }
void run_export(const ExportOptions&) { forward_to_torch(); }
void run_score_bench(const ScoreBenchFlags&) { forward_to_torch(); }
void run_train_bench(const TrainBenchFlags&) { forward_to_torch(); }
void run_finetune(const FinetuneCommandOptions&) { forward_to_torch(); }
void run_rank_check(const RankCheckCommandOptions&) { forward_to_torch(); }
void run_score_worker(const ScoreWorkerOptions&) { forward_to_torch(); }
void run_train_super(const TrainSuperOptions&) { forward_to_torch(); }

}  // namespace hat::cli
