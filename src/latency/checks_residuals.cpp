#include <algorithm>
#include <cmath>

#include "hat/base/rng.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"
#include "hat/latency/predictor.h"
#include "latency/checks_internal.h"

namespace hat::latency {
namespace {

constexpr int kFolds = 5;
constexpr uint64_t kSeed = 20200505;
constexpr double kOrderScore = 6;  // deviations above what shuffled rows give
constexpr int kMaxSplitDepth = 5;
// What counts as drift: the level moves by at least 2 %, and between blocks by most of the noise's
// deviation, or in one step by clearly more than it.
constexpr double kLeastRange = 0.02;
constexpr double kLeastWander = 0.65;
constexpr double kLeastStep = 1.6;

LinearModel fit(const std::vector<Sample>& samples) {
  LinearFitOptions options;
  options.allowed.fill(true);
  options.ridge = 1e-4;
  return fit_linear(samples, options);
}

/// Rank correlation between measurements and predictions by models that did not see them.
double held_out_tau(const std::vector<Sample>& samples) {
  const size_t n = samples.size();
  std::vector<size_t> order(n);
  for (size_t i = 0; i < n; ++i) order[i] = i;
  Rng rng(kSeed, "latency.checks.folds");
  rng.shuffle(order);
  std::vector<double> predicted(n);
  std::vector<double> measured(n);
  for (size_t fold = 0; fold < kFolds; ++fold) {
    std::vector<Sample> training;
    for (size_t k = 0; k < n; ++k) {
      if (k % kFolds != fold) training.push_back(samples[order[k]]);
    }
    const LinearModel model = fit(training);
    // Ranks only mean something within one fold's model, whose level differs a little; dividing by
    // its own mean keeps a set without signal at zero instead of below.
    double level = 0;
    for (const Sample& sample : training) level += model.predict(sample.costs);
    level /= static_cast<double>(training.size());
    for (size_t k = fold; k < n; k += kFolds) {
      predicted[order[k]] = model.predict(samples[order[k]].costs) / level;
      measured[order[k]] = samples[order[k]].ms;
    }
  }
  return kendall_tau(predicted, measured);
}

/// True when there is something to explain.
bool check_signal(const CheckedRows& rows, std::vector<Finding>* findings) {
  const double n = static_cast<double>(rows.samples.size());
  const double tau = held_out_tau(rows.samples);
  // The deviation of tau between independent lists (Kendall 1938).
  const double by_chance = std::sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)));
  if (tau >= std::max(0.15, 2.5 * by_chance)) return true;
  Finding finding{FindingKind::kNoSignal};
  finding.what =
      str("the architecture explains nothing of the latency: rank correlation of held-out "
          "predictions ",
          fixed(tau, 2));
  finding.advice =
      "check that the program which was measured really ran the architecture of each row (a "
      "compiled "
      "graph or a cached model often does not), then measure again; a predictor trained on this is "
      "worthless";
  findings->push_back(std::move(finding));
  return false;
}

std::vector<double> block_medians(const std::vector<double>& values, size_t blocks) {
  std::vector<double> medians;
  const size_t n = values.size();
  for (size_t b = 0; b < blocks; ++b) {
    const size_t begin = b * n / blocks;
    const size_t end = (b + 1) * n / blocks;
    medians.push_back(median(std::span(values).subspan(begin, end - begin)));
  }
  return medians;
}

/// Sum of squares of the blocks' mean rank around the middle rank.
double rank_wander(const std::vector<double>& ranks, size_t blocks) {
  const size_t n = ranks.size();
  const double middle = 0.5 * static_cast<double>(n - 1);
  double sum = 0;
  for (size_t b = 0; b < blocks; ++b) {
    const size_t begin = b * n / blocks;
    const size_t end = (b + 1) * n / blocks;
    const double offset = mean(std::span(ranks).subspan(begin, end - begin)) - middle;
    sum += offset * offset;
  }
  return sum;
}

/// How far the ranks of the residuals wander from block to block, in standard deviations above what
/// shuffled rows give: a permutation test that assumes nothing about the noise.
double order_score(const std::vector<double>& residuals, size_t blocks) {
  constexpr int kPermutations = 200;
  std::vector<size_t> order(residuals.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return residuals[a] < residuals[b]; });
  std::vector<double> ranks(residuals.size());
  for (size_t k = 0; k < order.size(); ++k) ranks[order[k]] = static_cast<double>(k);
  const double observed = rank_wander(ranks, blocks);
  std::vector<double> wanders;
  Rng rng(kSeed, "latency.checks.order");
  for (int i = 0; i < kPermutations; ++i) {
    rng.shuffle(ranks);
    wanders.push_back(rank_wander(ranks, blocks));
  }
  const double spread = standard_deviation(wanders);
  return spread > 0 ? (observed - mean(wanders)) / spread : 0;
}

/// Rows [begin, end) with one level.
struct Segment {
  size_t begin = 0;
  size_t end = 0;
  double level = 0;
};

/// Noise around the level of each block: the yardstick for what moves between blocks.
double noise_within_blocks(const std::vector<double>& residuals,
                           const std::vector<double>& medians) {
  std::vector<double> offsets;
  const size_t n = residuals.size();
  for (size_t b = 0; b < medians.size(); ++b) {
    for (size_t i = b * n / medians.size(); i < (b + 1) * n / medians.size(); ++i) {
      offsets.push_back(residuals[i] - medians[b]);
    }
  }
  return std::max(robust_deviation(offsets), 1e-6);
}

struct Split {
  size_t position = 0;
  double t = 0;
  double difference = 0;
};

/// The position that parts [begin, end) best into two levels.
Split best_split(const std::vector<double>& clipped, size_t begin, size_t end, size_t least,
                 double noise) {
  Split best;
  double total = 0;
  for (size_t i = begin; i < end; ++i) total += clipped[i];
  double left = 0;
  for (size_t i = begin; i + 1 < end; ++i) {
    left += clipped[i];
    const double a = static_cast<double>(i + 1 - begin);
    const double b = static_cast<double>(end - i - 1);
    if (a < static_cast<double>(least) || b < static_cast<double>(least)) continue;
    const double difference = (total - left) / b - left / a;
    const double t = std::abs(difference) / (noise * std::sqrt(1 / a + 1 / b));
    if (t > best.t) best = {i + 1, t, difference};
  }
  return best;
}

/// Binary segmentation: splits while the two levels differ by more than the noise and chance.
void segment(const std::vector<double>& clipped, size_t begin, size_t end, size_t least,
             double noise, int depth, std::vector<Segment>* segments) {
  const Split split = best_split(clipped, begin, end, least, noise);
  const bool real = split.t > 7 && std::abs(split.difference) > std::max(0.02, noise);
  if (depth == 0 || !real) {
    const double level = median(std::span(clipped).subspan(begin, end - begin));
    segments->push_back({begin, end, level});
    return;
  }
  segment(clipped, begin, split.position, least, noise, depth - 1, segments);
  segment(clipped, split.position, end, least, noise, depth - 1, segments);
}

/// A border where the rows just before and just after already stand apart as the segments do.
bool is_sharp(const std::vector<double>& residuals, const Segment& before, const Segment& after) {
  const size_t width = std::max<size_t>(5, residuals.size() / 50);
  const size_t left = std::min(width, before.end - before.begin);
  const size_t right = std::min(width, after.end - after.begin);
  const std::span<const double> values(residuals);
  const double step =
      median(values.subspan(after.begin, right)) - median(values.subspan(before.end - left, left));
  const double whole = after.level - before.level;
  return whole != 0 && step / whole > 0.7;
}

std::string percent(double log_ratio) {
  const double value = 100 * std::expm1(log_ratio);
  return str(value < 0 ? "-" : "+", fixed(std::abs(value), 1), " %");
}

std::string describe_segments(const std::vector<Segment>& segments, const CheckedRows& rows) {
  std::vector<std::string> parts;
  for (const Segment& s : segments) {
    if (parts.size() == 8) {
      parts.push_back(str("and ", segments.size() - 8, " more stretches"));
      break;
    }
    parts.push_back(
        str("lines ", rows.lines[s.begin], "-", rows.lines[s.end - 1], " ", percent(s.level)));
  }
  return join(parts, ", ");
}

/// Lines of the segments whose level is not that of the longest stretch.
std::vector<int> unusual_lines(const std::vector<Segment>& segments, const CheckedRows& rows,
                               double noise) {
  const Segment& longest = *std::max_element(
      segments.begin(), segments.end(),
      [](const Segment& a, const Segment& b) { return a.end - a.begin < b.end - b.begin; });
  std::vector<int> lines;
  for (const Segment& s : segments) {
    if (std::abs(s.level - longest.level) <= std::max(0.02, noise)) continue;
    lines.insert(lines.end(), rows.lines.begin() + static_cast<std::ptrdiff_t>(s.begin),
                 rows.lines.begin() + static_cast<std::ptrdiff_t>(s.end));
  }
  return lines;
}

/// What the first tenth says about the last: the error of a predictor from the former on the
/// latter.
double first_to_last_error(const CheckedRows& rows) {
  const size_t tenth = rows.samples.size() / 10;
  if (tenth < 20) return 0;
  const LinearModel model =
      fit({rows.samples.begin(), rows.samples.begin() + static_cast<std::ptrdiff_t>(tenth)});
  double error = 0;
  for (size_t i = rows.samples.size() - tenth; i < rows.samples.size(); ++i) {
    const Sample& sample = rows.samples[i];
    error += std::abs(model.predict(sample.costs) - sample.ms) / sample.ms;
  }
  return 100 * error / static_cast<double>(tenth);
}

void report_drift(const CheckedRows& rows, const std::vector<double>& residuals,
                  const std::vector<double>& blocks, const std::vector<Segment>& segments,
                  double noise, std::vector<Finding>* findings) {
  const double range = *std::max_element(blocks.begin(), blocks.end()) -
                       *std::min_element(blocks.begin(), blocks.end());
  Finding drift{FindingKind::kDrift};
  drift.what = str("the level moves by ", fixed(100 * std::expm1(range), 1),
                   " % in the order of collection");
  if (segments.size() > 1) drift.what += str(": ", describe_segments(segments, rows));
  const double miss = first_to_last_error(rows);
  if (miss > 0) {
    drift.what +=
        str("; a predictor from the first tenth misses the last by ", fixed(miss, 1), " %");
  }
  drift.lines = unusual_lines(segments, rows, noise);
  drift.advice =
      "measure again with hat measure-latency, which divides drift out by an interleaved anchor; "
      "to "
      "use this set all the same, keep to the longest stretch of one level";
  findings->push_back(drift);

  for (size_t i = 1; i < segments.size(); ++i) {
    const double step = segments[i].level - segments[i - 1].level;
    if (std::abs(step) < 0.12 || !is_sharp(residuals, segments[i - 1], segments[i])) continue;
    Finding change{FindingKind::kSessionChange};
    change.what =
        str("the latency jumps by ", percent(step), " at line ", rows.lines[segments[i].begin],
            ", as when threads, clock or the device itself change between sessions");
    change.lines = {rows.lines[segments[i].begin]};
    change.advice = "find out what changed there; measure the smaller part again as the larger was";
    findings->push_back(std::move(change));
  }
}

/// Residuals with their local level taken off, so that drift hides no outlier and makes none.
std::vector<double> without_level(const std::vector<double>& residuals,
                                  const std::vector<Segment>& segments) {
  std::vector<double> result = residuals;
  for (const Segment& s : segments) {
    for (size_t i = s.begin; i < s.end; ++i) result[i] -= s.level;
  }
  return result;
}

void check_outliers(const CheckedRows& rows, const std::vector<double>& residuals,
                    std::vector<Finding>* findings) {
  const double limit = std::max(8 * robust_deviation(residuals), std::log(1.10));
  Finding finding{FindingKind::kOutliers};
  double worst = 0;
  for (size_t i = 0; i < residuals.size(); ++i) {
    if (std::abs(residuals[i]) <= limit) continue;
    finding.lines.push_back(rows.lines[i]);
    if (std::abs(residuals[i]) > std::abs(worst)) worst = residuals[i];
  }
  if (finding.lines.empty()) return;
  finding.what =
      str(finding.lines.size(), " rows lie far from what their architecture costs (limit ",
          percent(limit), ", worst ", percent(worst), ")");
  finding.advice =
      "measure them again, or leave them to the robust loss when they are few (hat does)";
  findings->push_back(std::move(finding));
}

/// Drift as opposed to noise that comes in stretches: the level moves about as much as the noise,
/// or in one step by clearly more.
bool moves(const std::vector<double>& blocks, const std::vector<Segment>& segments, double noise) {
  const auto [lowest, highest] = std::minmax_element(blocks.begin(), blocks.end());
  if (*highest - *lowest < kLeastRange) return false;
  if (standard_deviation(blocks) > kLeastWander * noise) return true;
  for (size_t i = 1; i < segments.size(); ++i) {
    if (std::abs(segments[i].level - segments[i - 1].level) > kLeastStep * noise) return true;
  }
  return false;
}

}  // namespace

void check_residuals(const CheckedRows& rows, std::vector<Finding>* findings) {
  const bool signal = check_signal(rows, findings);
  const size_t n = rows.samples.size();
  const LinearModel model = fit(rows.samples);
  std::vector<double> residuals(n);
  for (size_t i = 0; i < n; ++i) {
    const double predicted = std::max(model.predict(rows.samples[i].costs), 1e-9);
    residuals[i] = std::log(rows.samples[i].ms / predicted);
  }
  const double centre = median(residuals);
  for (double& r : residuals) r -= centre;

  const size_t block_count = std::clamp<size_t>(n / 12, 4, 20);
  const std::vector<double> blocks = block_medians(residuals, block_count);
  const double noise = noise_within_blocks(residuals, blocks);
  // Clipped at a level that real changes of sessions stay below, so that no single row makes a
  // step.
  std::vector<double> clipped = residuals;
  const double clip = std::max({3 * robust_deviation(residuals), 6 * noise, 0.4});
  for (double& r : clipped) r = std::clamp(r, -clip, clip);
  std::vector<Segment> segments;
  segment(clipped, 0, n, std::max<size_t>(6, n / 40), noise, kMaxSplitDepth, &segments);

  if (order_score(residuals, block_count) > kOrderScore) {
    if (moves(blocks, segments, noise)) {
      report_drift(rows, residuals, blocks, segments, noise, findings);
    } else {
      Finding note{FindingKind::kCorrelatedNoise};
      note.problem = false;
      note.what = str("neighbouring rows err alike: the level wanders by ",
                      fixed(100 * standard_deviation(blocks), 1), " % under a noise of ",
                      fixed(100 * noise, 1), " %");
      note.advice =
          "less than the noise itself: usable, with an error that more rows do not remove";
      findings->push_back(std::move(note));
    }
  }
  if (signal) check_outliers(rows, without_level(residuals, segments), findings);
}

}  // namespace hat::latency
