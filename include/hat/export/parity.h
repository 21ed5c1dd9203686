#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hat/arch/cost.h"
#include "hat/config/json.h"
#include "hat/edge/model.h"
#include "hat/model/transformer.h"

namespace hat::exporting {

/// How LibTorch's network and a model file are compared.
struct ParityOptions {
  int beam = 5;
  double length_penalty = 1.0;
  int max_length = 200;
  int threads = 1;
};

/// What the same sentences give in both: beam search, and the probability that each gives to
/// LibTorch's own translations.
struct ParityReport {
  int sentences = 0;
  int identical = 0;  ///< best translations with equal tokens
  /// Best translations that differ although their scores are equal within the tolerance: a tie,
  /// which rounding decides.
  int ties = 0;
  double largest_score_difference =
      0;  ///< of the best hypotheses, ties and differing ones included
  double largest_token_difference = 0;  ///< of a token's log-probability in LibTorch's translations
  double loss_network = 0;              ///< nats a token of LibTorch's translations, by LibTorch
  double loss_file = 0;                 ///< the same by the model file

  double loss_increase() const { return loss_file - loss_network; }
};
config::OrderedJson to_json(const ParityReport& report);
/// "1,000 sentences, 998 equal to the token, 2 ties; largest score difference 2.1e-06; ..."
std::string describe(const ParityReport& report);

/// Translates `sources` (token ids with their eos) with both. The network must hold the
/// architecture of the file as its current one.
ParityReport compare(model::Transformer& network, const std::shared_ptr<const edge::Model>& file,
                     const std::vector<std::vector<int>>& sources, const ParityOptions& options);

/// Scores closer than this are equal: the fp32 engines add in different orders.
inline constexpr double kScoreTolerance = 1e-4;
/// Throws kInternal, saying what differs, when the report shows more than the precision explains:
/// in fp32 any translation that is neither identical nor a tie; in int8 and int4 a loss that grew
/// by more than 0.1 and 0.5 nats a token.
void require_parity(const ParityReport& report, arch::Precision precision);

}  // namespace hat::exporting
