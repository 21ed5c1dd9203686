#include "hat/export/parity.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <sstream>

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/edge/translator.h"
#include "hat/model/batch.h"
#include "hat/model/beam_search.h"

namespace hat::exporting {
namespace {

/// Sentences translated at a time.
constexpr size_t kBatch = 32;

std::string scientific(double value) {
  std::ostringstream out;
  out.precision(2);
  out << std::scientific << value;
  return out.str();
}

/// log p(target[t] | source, target[0..t)) by LibTorch.
std::vector<double> network_scores(model::Transformer& network, const std::vector<int32_t>& source,
                                   const std::vector<int32_t>& target) {
  const at::NoGradGuard no_grad;
  const auto tensor = [](const std::vector<int32_t>& tokens) {
    return model::pad_tokens({std::span<const int32_t>(tokens)}, false);
  };
  const at::Tensor rows = tensor(target);
  const at::Tensor logits = network.forward(tensor(source), model::shift_right(rows));
  const at::Tensor picked =
      at::log_softmax(logits.to(at::kDouble), -1).gather(-1, rows.unsqueeze(-1)).contiguous();
  return {picked.data_ptr<double>(), picked.data_ptr<double>() + target.size()};
}

std::vector<double> file_scores(edge::Translator& translator, const std::vector<int>& source,
                                const std::vector<int>& target) {
  const std::vector<float> logits = translator.logits(source, target);
  const size_t vocabulary = logits.size() / target.size();
  std::vector<double> scores;
  for (size_t t = 0; t < target.size(); ++t) {
    const std::span<const float> row(logits.data() + t * vocabulary, vocabulary);
    const double largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (const float logit : row) sum += std::exp(logit - largest);
    scores.push_back(row[static_cast<size_t>(target[t])] - largest - std::log(sum));
  }
  return scores;
}

class Comparison {
 public:
  Comparison(model::Transformer& network, const std::shared_ptr<const edge::Model>& file,
             const ParityOptions& options)
      : network_(network), translator_(file, options.threads) {
    ours_.beam = options.beam;
    ours_.length_penalty = options.length_penalty;
    ours_.max_length = options.max_length;
    theirs_.beam = options.beam;
    theirs_.length_penalty = options.length_penalty;
    theirs_.max_length_b = options.max_length;
    theirs_.shortlist = false;  // what the weights say, not what was left out on purpose
  }

  void add(std::span<const std::vector<int>> sources) {
    std::vector<std::vector<int32_t>> batch(sources.begin(), sources.end());
    const auto translations = model::beam_search(network_, batch, ours_);
    for (size_t i = 0; i < batch.size(); ++i) {
      const auto found = translator_.translate(sources[i], theirs_);
      HAT_CHECK(!translations[i].empty() && !found.empty(), ErrorKind::kInternal,
                "a sentence was given no translation");
      add(batch[i], translations[i][0], found[0]);
    }
  }

  ParityReport report() const {
    ParityReport out = report_;
    if (tokens_ > 0) {
      out.loss_network /= tokens_;
      out.loss_file /= tokens_;
    }
    return out;
  }

 private:
  void add(const std::vector<int32_t>& source, const model::Hypothesis& ours,
           const edge::Hypothesis& theirs) {
    ++report_.sentences;
    const double difference = std::abs(ours.score - static_cast<double>(theirs.score));
    report_.largest_score_difference = std::max(report_.largest_score_difference, difference);
    const bool same = std::equal(ours.tokens.begin(), ours.tokens.end(), theirs.tokens.begin(),
                                 theirs.tokens.end());
    report_.identical += same ? 1 : 0;
    report_.ties += !same && difference <= kScoreTolerance ? 1 : 0;

    const auto a = network_scores(network_, source, ours.tokens);
    const auto b = file_scores(translator_, {source.begin(), source.end()},
                               {ours.tokens.begin(), ours.tokens.end()});
    for (size_t t = 0; t < a.size(); ++t) {
      report_.largest_token_difference =
          std::max(report_.largest_token_difference, std::abs(a[t] - b[t]));
      report_.loss_network -= a[t];
      report_.loss_file -= b[t];
    }
    tokens_ += static_cast<double>(a.size());
  }

  model::Transformer& network_;
  edge::Translator translator_;
  model::BeamOptions ours_;
  edge::TranslateOptions theirs_;
  ParityReport report_;
  double tokens_ = 0;
};

}  // namespace

config::OrderedJson to_json(const ParityReport& report) {
  return {{"sentences", report.sentences},
          {"identical", report.identical},
          {"ties", report.ties},
          {"largest_score_difference", report.largest_score_difference},
          {"largest_token_difference", report.largest_token_difference},
          {"loss_network", report.loss_network},
          {"loss_file", report.loss_file}};
}

std::string describe(const ParityReport& report) {
  return str(with_commas(static_cast<uint64_t>(report.sentences)), " sentences, ",
             with_commas(static_cast<uint64_t>(report.identical)), " equal to the token, ",
             report.ties, " ties; largest score difference ",
             scientific(report.largest_score_difference), ", of a token ",
             scientific(report.largest_token_difference), "; loss ", fixed(report.loss_network, 4),
             " to ", fixed(report.loss_file, 4), " nats a token");
}

ParityReport compare(model::Transformer& network, const std::shared_ptr<const edge::Model>& file,
                     const std::vector<std::vector<int>>& sources, const ParityOptions& options) {
  HAT_CHECK(network.architecture() == file->architecture(), ErrorKind::kInternal,
            "the file and the network are of different architectures");
  HAT_CHECK(!sources.empty(), ErrorKind::kData, "no sentences to compare with");
  Comparison comparison(network, file, options);
  const std::span<const std::vector<int>> all(sources);
  for (size_t i = 0; i < all.size(); i += kBatch)
    comparison.add(all.subspan(i, std::min(kBatch, all.size() - i)));
  return comparison.report();
}

void require_parity(const ParityReport& report, arch::Precision precision) {
  const std::string hint = "Nothing was written. This is a fault of hat; please report it.";
  if (precision == arch::Precision::kFp32) {
    HAT_CHECK(report.identical + report.ties == report.sentences &&
                  report.largest_token_difference <= kScoreTolerance * 10,
              ErrorKind::kInternal,
              "the model file does not translate as the network does: " + describe(report), hint);
    return;
  }
  const double limit = precision == arch::Precision::kInt8 ? 0.1 : 0.5;
  HAT_CHECK(std::isfinite(report.loss_file) && report.loss_increase() <= limit,
            ErrorKind::kInternal,
            str("quantisation to ", arch::precision_name(precision), " costs more than ", limit,
                " nats a token: ", describe(report)),
            "Nothing was written. Export with a higher --precision, or finetune the network "
            "further.");
}

}  // namespace hat::exporting
