#pragma once

/// The commands that need LibTorch: declared here, forwarded by `hat` (forward_to_torch.cpp), done
/// in `hat-torch` (torch/*.cpp). Each takes the options struct of its command file.
namespace hat::cli {

struct AgentOptions;
struct ExportOptions;
struct FinetuneCommandOptions;
struct RankCheckCommandOptions;
struct ScoreBenchFlags;
struct ScoreWorkerOptions;
struct TrainBenchFlags;
struct TrainSuperOptions;

void run_agent(const AgentOptions& options);
void run_export(const ExportOptions& options);
void run_finetune(const FinetuneCommandOptions& options);
void run_rank_check(const RankCheckCommandOptions& options);
void run_score_worker(const ScoreWorkerOptions& options);
void run_score_bench(const ScoreBenchFlags& options);
void run_train_bench(const TrainBenchFlags& options);
void run_train_super(const TrainSuperOptions& options);

}  // namespace hat::cli
