#include "metrics_window.h"

#include <cmath>

#include "hat/base/strings.h"

namespace hat::train {

void MetricsWindow::add(const UpdateStats& stats, double ms) {
  loss_ += stats.loss * static_cast<double>(stats.tokens);
  nll_ += stats.nll * static_cast<double>(stats.tokens);
  gradient_norm_ += stats.gradient_norm;
  tokens_ += stats.tokens;
  ms_ += ms;
  forward_ms_ += stats.forward_ms;
  backward_ms_ += stats.backward_ms;
  optimizer_ms_ += stats.optimizer_ms;
  ++updates_;
}

std::string MetricsWindow::text() const {
  return str("loss ", fixed(loss(), 3), "  ",
             with_commas(static_cast<uint64_t>(tokens_per_second())), " tokens/s");
}

config::OrderedJson MetricsWindow::to_json() const {
  const double nll = nll_ / static_cast<double>(tokens_);
  const auto updates = static_cast<double>(updates_);
  return {{"loss", loss()},
          {"nll", nll},
          {"perplexity", std::exp(nll)},
          {"gradient_norm", gradient_norm_ / updates},
          {"tokens_per_second", tokens_per_second()},
          {"update_ms", ms_ / updates},
          {"data_ms", data_ms_ / updates},
          {"forward_ms", forward_ms_ / updates},
          {"backward_ms", backward_ms_ / updates},
          {"optimizer_ms", optimizer_ms_ / updates}};
}

}  // namespace hat::train
