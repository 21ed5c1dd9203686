#include "hat/config/workspace_config.h"

namespace hat::config {

void TaskConfig::describe(Schema& s) {
  s.field("kind", kind, "What the workspace does").one_of({"translation", "classification"});
  s.field("source", source, "Source language: the extension of the source files");
  s.field("target", target, "Target language: the extension of the target files");
  s.field("train", train,
          "Training text: a path prefix (PREFIX.de and PREFIX.en), or a .tsv file to classify");
  s.field("valid", valid, "Validation text, in the same form");
  s.field("test", test, "Test text, in the same form; used by hat evaluate only");
}

void PrepareConfig::describe(Schema& s) {
  s.field("tokenizer", tokenizer,
          "auto (unigram), unigram, bpe, or the path of a trained SentencePiece model");
  s.field("joint_vocabulary", joint_vocabulary, "One vocabulary for both languages");
  s.field("vocabulary_size", vocabulary_size,
          "Pieces in a vocabulary; 0 chooses by the data's size")
      .range(0, 256000);
  s.field("max_tokens_per_sentence", max_tokens_per_sentence,
          "Longer sentences are dropped from training, in pieces")
      .range(4, 4096);
  s.field("max_length_ratio", max_length_ratio,
          "Pairs whose lengths differ by a larger factor are dropped")
      .range(1, 1000);
  s.field("lowercase", lowercase, "Lower-case all text first");
  s.field("character_coverage", character_coverage,
          "Share of characters the vocabulary must cover; 0.9995 for Chinese or Japanese")
      .range(0.9, 1.0);
  s.field("tokenizer_sample", tokenizer_sample, "Sentences the tokenizer is trained on at most")
      .range(1000, 1e8);
}

void TrainConfig::describe(Schema& s) {
  s.field("max_updates", max_updates, "Updates of the optimiser; 0 chooses by the data's size")
      .range(0, 1e9);
  s.field("max_minutes", max_minutes, "Fit the whole schedule to this wall time; 0: no limit")
      .range(0, 1e6);
  s.field("batch_tokens", batch_tokens, "Padded target tokens in a batch").range(16, 1e7);
  s.field("accumulate", accumulate, "Batches whose gradients make one update").range(1, 4096);
  s.field("learning_rate", learning_rate, "Peak learning rate; 0 chooses by the network's width")
      .range(0, 1);
  s.field("schedule", schedule, "How the learning rate falls after the warm-up")
      .one_of({"inverse_sqrt", "cosine"});
  s.field("warmup_updates", warmup_updates, "Updates of linear warm-up; 0 chooses").range(0, 1e8);
  s.field("adam_beta1", adam_beta1, "Adam's decay of the first moment").range(0, 0.99999);
  s.field("adam_beta2", adam_beta2, "Adam's decay of the second moment").range(0, 0.999999);
  s.field("adam_epsilon", adam_epsilon, "Adam's epsilon").range(1e-12, 1);
  s.field("weight_decay", weight_decay, "Decoupled weight decay").range(0, 1);
  s.field("clip_norm", clip_norm, "Largest global norm of the gradient; 0: no clipping")
      .range(0, 1e6);
  s.field("dropout", dropout,
          "Dropout of the largest network; narrower ones get less, in proportion to their width")
      .range(0, 0.9);
  s.field("attention_dropout", attention_dropout, "Dropout of attention probabilities")
      .range(0, 0.9);
  s.field("activation_dropout", activation_dropout, "Dropout inside the feed-forward network")
      .range(0, 0.9);
  s.field("label_smoothing", label_smoothing, "Mass spread over the vocabulary").range(0, 0.9);
  s.field("strategy", strategy, "Which SubTransformers an update trains; see docs/training.md")
      .one_of({"auto", "single_path", "uniform_cost", "sandwich", "full_sandwich", "alternating",
               "original"});
  s.field("distillation", distillation,
          "Weight of the largest network's predictions in the loss of the others that train "
          "beside it; 0: labels only")
      .range(0, 1);
  s.field("largest_first", largest_first,
          "Share of the updates that train the largest network alone; then its heads and FFN "
          "channels are put in order of importance")
      .range(0, 0.9);
  s.field("precision", precision, "Arithmetic of matrix products; auto asks the processor")
      .one_of({"auto", "fp32", "bf16"});
  s.field("validate_every", validate_every, "Updates between validations; 0 chooses").range(0, 1e8);
  s.field("checkpoint_every", checkpoint_every, "Updates between checkpoints; 0 chooses")
      .range(0, 1e8);
  s.field("average_checkpoints", average_checkpoints,
          "Validated states whose weights are averaged at the end")
      .range(1, 100);
  s.field("ema", ema,
          "Decay of a moving average of the weights, a candidate for those kept; 0: none")
      .range(0, 0.999999);
  s.field("patience", patience, "Validations without progress before training stops; 0: never")
      .range(0, 10000);
  s.field("valid_sentences", valid_sentences, "Validation sentences used while training; 0: all")
      .range(0, 1e8);
}

void FinetuneConfig::describe(Schema& s) {
  s.field("name", name, "Folder under models/; empty: the architecture's id");
  s.field("from_scratch", from_scratch, "Start from random weights, not inherited ones");
  s.field("distillation", distillation,
          "Weight of the SuperTransformer's predictions in the loss; 0: labels only")
      .range(0, 1);
  s.field("update_fraction", update_fraction,
          "Updates as a share of the SuperTransformer's, when finetune.train.max_updates is 0")
      .range(0.001, 10);
  s.field("quantise", quantise,
          "Train with weights rounded as hat export --precision rounds them, so that rounding "
          "costs less")
      .one_of({"none", "int8", "int4"});
  s.section("train", train,
            "How hat finetune trains. What is not set here, and is no matter of length, rate, "
            "dropout or strategy, is as in train. Dropout that is not set here is 0 for inherited "
            "weights and as in train with from_scratch");
}

void LatencyConfig::describe(Schema& s) {
  s.field("device", device, "Device whose latency search uses when no --device is given");
  s.field("samples", samples, "Architectures measured at most").range(1, 100000);
  s.field("repetitions", repetitions, "Timed runs of one architecture at most").range(3, 100000);
  s.field("precision_percent", precision_percent,
          "Repeat until a latency's standard error is this; stop when the predictor is this good")
      .range(0.01, 50);
  s.field("trim", trim, "Share of runs dropped at each end before the mean").range(0, 0.45);
  s.field("max_minutes", max_minutes, "Stop measuring after this time; 0: no limit").range(0, 1e5);
  s.field("batch", batch, "Sentences translated together").range(1, 4096);
  s.field("beam", beam, "Hypotheses kept by beam search").range(1, 64);
  s.field("source_length", source_length, "Source tokens; 0: the corpus's typical length")
      .range(0, 1024);
  s.field("target_length", target_length, "Decoding steps; 0: the corpus's typical length")
      .range(0, 1024);
  s.field("lengths", lengths,
          "What lengths of 0 stand for: the corpus's mean, or its distribution (five pairs of "
          "lengths, the mean over them)")
      .one_of({"mean", "corpus"});
  s.field("predictor", predictor, "Kind of latency predictor; auto cross-validates")
      .one_of({"auto", "linear", "mlp", "gp"});
  s.field("confidence", confidence, "Share of networks whose latency the upper bound holds for")
      .range(0.5, 0.999);
}

void SearchConfig::describe(Schema& s) {
  s.field("algorithm", algorithm, "How candidates are found; see docs/search.md")
      .one_of({"nsga2", "evolution", "random", "depth_sweep", "uniform"});
  s.field("evaluations", evaluations, "Candidates scored with inherited weights at most")
      .range(1, 1e6);
  s.field("population", population, "Candidates in a generation").range(4, 10000);
  s.field("objective", objective,
          "What is minimised: the loss, or 100 - BLEU or 100 - chrF of translations (slow)")
      .one_of({"loss", "bleu", "chrf"});
  s.field("finalists", finalists, "Best candidates that are measured on the device at the end")
      .range(1, 1000);
  s.field("valid_sentences", valid_sentences,
          "Validation sentences a candidate is scored on; 0 chooses")
      .range(0, 1e8);
  s.field("precision", precision,
          "How candidates are scored; auto: bf16 where the processor computes it")
      .one_of({"auto", "fp32", "bf16"});
  s.field("surrogate", surrogate, "Let a model of the loss propose and rank candidates");
}

void DecodeConfig::describe(Schema& s) {
  s.field("beam", beam, "Hypotheses kept by beam search").range(1, 64);
  s.field("length_penalty", length_penalty, "Scores are divided by length to this power")
      .range(0, 10);
  s.field("max_length", max_length, "Longest translation in tokens").range(1, 1000);
  s.field("max_length_ratio", max_length_ratio,
          "Longest translation as a multiple of the source's tokens (plus 10)")
      .range(0.1, 100);
  s.field("min_length", min_length, "Shortest translation in tokens, the end included")
      .range(1, 1000);
}

void ExportConfig::describe(Schema& s) {
  s.field("precision", precision, "Weights of the model file").one_of({"fp32", "int8", "int4"});
  s.field("shortlist", shortlist,
          "Words of the output vocabulary kept for a sentence; 0: the whole vocabulary")
      .range(0, 256000);
  s.field("parity_sentences", parity_sentences,
          "Sentences translated to prove that the file equals the network")
      .range(1, 100000);
}

void WorkspaceConfig::describe(Schema& s) {
  s.field("version", version, "Version of this file's form").range(1, 1e6);
  s.field("seed", seed, "Seed of everything random").range(0, 9e15);
  s.field("threads", threads, "Threads for training and translating; 0: all cores").range(0, 1024);
  s.field("space", space,
          "Search space: a shipped one (hat describe --space lists them) or a file");
  s.section("task", task, "What the workspace is for, and its text.");
  s.section("prepare", prepare, "hat prepare: tokenizer and corpus.");
  s.section("train", train, "hat train-super: training of the SuperTransformer.");
  s.section("finetune", finetune, "hat finetune: finishing a SubTransformer.");
  s.section("latency", latency, "hat measure-latency and hat train-predictor.");
  s.section("search", search, "hat search.");
  s.section("decode", decode, "Beam search in hat evaluate and hat translate.");
  s.section("export", exporting, "hat export: the model file for the device.");
}

}  // namespace hat::config
