#include "latency/mlp_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"

namespace hat::latency {
namespace {

constexpr size_t kInputs = 10;
constexpr size_t kHiddenLayers = 4;
constexpr size_t kMaxHidden = 2048;
// The original's --feature-norm.
constexpr std::array<double, kInputs> kFeatureNorm = {640, 6, 2048, 6, 640, 6, 2048, 6, 6, 2};

/// Two compiled versions of each inner loop: this is the only dense algebra of the module that
/// takes seconds.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HAT_WIDE __attribute__((target_clones("arch=haswell", "default"), optimize("O3")))
#else
#define HAT_WIDE
#endif

using Lanes = float __attribute__((vector_size(32)));
constexpr size_t kLanes = 8;
constexpr size_t kTileRows = 4;
constexpr size_t kTileColumns = 2 * kLanes;

/// out[m][n] += a[m][k] * b[k][n], all row-major: tiles of four rows and two vectors stay in
/// registers over all of k; what is left at the edges goes one by one.
HAT_WIDE void multiply_add(const float* a, const float* b, float* out, size_t m, size_t k,
                           size_t n) {
  const size_t tiled_rows = m / kTileRows * kTileRows;
  const size_t tiled_columns = n / kTileColumns * kTileColumns;
  for (size_t i = 0; i < tiled_rows; i += kTileRows) {
    const float* a0 = a + i * k;
    for (size_t j = 0; j < tiled_columns; j += kTileColumns) {
      Lanes s0{}, s1{}, s2{}, s3{}, t0{}, t1{}, t2{}, t3{};
      for (size_t p = 0; p < k; ++p) {
        Lanes left, right;
        std::memcpy(&left, b + p * n + j, sizeof left);
        std::memcpy(&right, b + p * n + j + kLanes, sizeof right);
        s0 += a0[p] * left;
        t0 += a0[p] * right;
        s1 += a0[k + p] * left;
        t1 += a0[k + p] * right;
        s2 += a0[2 * k + p] * left;
        t2 += a0[2 * k + p] * right;
        s3 += a0[3 * k + p] * left;
        t3 += a0[3 * k + p] * right;
      }
      const Lanes sums[kTileRows][2] = {{s0, t0}, {s1, t1}, {s2, t2}, {s3, t3}};
      for (size_t row = 0; row < kTileRows; ++row) {
        for (size_t c = 0; c < kTileColumns; ++c) {
          out[(i + row) * n + j + c] += sums[row][c / kLanes][c % kLanes];
        }
      }
    }
  }
  for (size_t i = 0; i < m; ++i) {
    const size_t from = i < tiled_rows ? tiled_columns : 0;
    if (from == n) continue;
    for (size_t p = 0; p < k; ++p) {
      const float value = a[i * k + p];
      for (size_t j = from; j < n; ++j) out[i * n + j] += value * b[p * n + j];
    }
  }
}

HAT_WIDE void adam_step(float* weight, const float* gradient, float* first, float* second, size_t n,
                        float step_size, float correction) {
  for (size_t i = 0; i < n; ++i) {
    first[i] = 0.9F * first[i] + 0.1F * gradient[i];
    second[i] = 0.999F * second[i] + 0.001F * gradient[i] * gradient[i];
    weight[i] -= step_size * first[i] / (std::sqrt(second[i]) * correction + 1e-8F);
  }
}

std::vector<float> transposed(const std::vector<float>& matrix, size_t rows, size_t columns) {
  std::vector<float> result(matrix.size());
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) result[j * rows + i] = matrix[i * columns + j];
  }
  return result;
}

/// A fully connected layer, weights [inputs][outputs], with what Adam remembers.
struct Layer {
  size_t inputs = 0;
  size_t outputs = 0;
  std::vector<float> weight, bias;
  std::vector<float> weight_first, weight_second, bias_first, bias_second;

  Layer(size_t in, size_t out) : inputs(in), outputs(out), weight(in * out), bias(out) {}

  /// Uniform in +-1/sqrt(inputs), as torch::nn::Linear starts.
  void initialise(Rng* rng) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(inputs));
    for (float& w : weight) w = static_cast<float>((2 * rng->uniform() - 1) * bound);
    for (float& b : bias) b = static_cast<float>((2 * rng->uniform() - 1) * bound);
    weight_first.assign(weight.size(), 0);
    weight_second.assign(weight.size(), 0);
    bias_first.assign(bias.size(), 0);
    bias_second.assign(bias.size(), 0);
  }

  std::vector<float> forward(const std::vector<float>& input, size_t rows, bool relu) const {
    std::vector<float> output(rows * outputs);
    for (size_t i = 0; i < rows; ++i) std::copy(bias.begin(), bias.end(), &output[i * outputs]);
    multiply_add(input.data(), weight.data(), output.data(), rows, inputs, outputs);
    if (relu) {
      for (float& value : output) value = std::max(value, 0.0F);
    }
    return output;
  }
};

class MlpModel : public Model {
 public:
  std::vector<Layer> layers;
  double norm_ms = 1;

  std::string kind() const override { return "mlp"; }
  bool needs_averages() const override { return true; }

  double predict(const Sample& sample) const override {
    std::vector<float> values = inputs(sample);
    for (size_t l = 0; l < layers.size(); ++l) {
      values = layers[l].forward(values, 1, l + 1 < layers.size());
    }
    return static_cast<double>(values[0]) * norm_ms;
  }

  static std::vector<float> inputs(const Sample& sample) {
    HAT_DCHECK(sample.averages.size() == kInputs);
    std::vector<float> values(kInputs);
    for (size_t i = 0; i < kInputs; ++i) {
      values[i] = static_cast<float>(sample.averages[i] / kFeatureNorm[i]);
    }
    return values;
  }

  config::OrderedJson to_json() const override {
    config::OrderedJson list = config::OrderedJson::array();
    for (const Layer& layer : layers) {
      list.push_back({{"inputs", layer.inputs},
                      {"outputs", layer.outputs},
                      {"weight", layer.weight},
                      {"bias", layer.bias}});
    }
    return {{"kind", "mlp"}, {"norm_ms", norm_ms}, {"layers", list}};
  }
};

/// Gradients of one layer from that of its output; returns the gradient of its input.
std::vector<float> backward(const std::vector<float>& input,
                            const std::vector<float>& output_gradient, size_t rows, float step_size,
                            float correction, Layer* layer) {
  std::vector<float> weight_gradient(layer->weight.size());
  const std::vector<float> input_t = transposed(input, rows, layer->inputs);
  multiply_add(input_t.data(), output_gradient.data(), weight_gradient.data(), layer->inputs, rows,
               layer->outputs);
  std::vector<float> bias_gradient(layer->outputs);
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < layer->outputs; ++j) {
      bias_gradient[j] += output_gradient[i * layer->outputs + j];
    }
  }
  std::vector<float> input_gradient(input.size());
  const std::vector<float> weight_t = transposed(layer->weight, layer->inputs, layer->outputs);
  multiply_add(output_gradient.data(), weight_t.data(), input_gradient.data(), rows, layer->outputs,
               layer->inputs);
  for (size_t i = 0; i < input.size(); ++i) {
    if (!(input[i] > 0)) input_gradient[i] = 0;  // inputs of later layers are ReLU outputs
  }
  adam_step(layer->weight.data(), weight_gradient.data(), layer->weight_first.data(),
            layer->weight_second.data(), layer->weight.size(), step_size, correction);
  adam_step(layer->bias.data(), bias_gradient.data(), layer->bias_first.data(),
            layer->bias_second.data(), layer->bias.size(), step_size, correction);
  return input_gradient;
}

}  // namespace

std::unique_ptr<Model> fit_mlp(const std::vector<Sample>& samples, const MlpFitOptions& options) {
  auto model = std::make_unique<MlpModel>();
  std::vector<double> times;
  for (const Sample& sample : samples) times.push_back(sample.ms);
  model->norm_ms = median(times);
  Rng rng(options.seed, "latency.mlp");
  const size_t hidden = static_cast<size_t>(options.hidden);
  for (size_t l = 0; l <= kHiddenLayers; ++l) {
    model->layers.emplace_back(l == 0 ? kInputs : hidden, l == kHiddenLayers ? 1 : hidden);
    model->layers.back().initialise(&rng);
  }
  std::vector<size_t> order(samples.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t rows = std::min<size_t>(static_cast<size_t>(options.batch), samples.size());
  for (int step = 1; step <= options.steps; ++step) {
    for (size_t i = 0; i < rows; ++i) std::swap(order[i], order[i + rng.below(order.size() - i)]);
    std::vector<std::vector<float>> activations(1);
    for (size_t i = 0; i < rows; ++i) {
      const std::vector<float> input = MlpModel::inputs(samples[order[i]]);
      activations[0].insert(activations[0].end(), input.begin(), input.end());
    }
    for (size_t l = 0; l <= kHiddenLayers; ++l) {
      activations.push_back(model->layers[l].forward(activations.back(), rows, l < kHiddenLayers));
    }
    std::vector<float> gradient(rows);
    for (size_t i = 0; i < rows; ++i) {
      const double target = samples[order[i]].ms / model->norm_ms;
      gradient[i] = static_cast<float>(2 * (static_cast<double>(activations.back()[i]) - target) /
                                       static_cast<double>(rows));
    }
    const double first_correction = 1 - std::pow(0.9, step);
    const float second_correction = static_cast<float>(1 / std::sqrt(1 - std::pow(0.999, step)));
    const float step_size = static_cast<float>(options.learning_rate / first_correction);
    for (size_t l = kHiddenLayers + 1; l-- > 0;) {
      gradient =
          backward(activations[l], gradient, rows, step_size, second_correction, &model->layers[l]);
    }
  }
  return model;
}

std::unique_ptr<Model> mlp_from_json(const config::Json& json, const std::string& origin) {
  auto model = std::make_unique<MlpModel>();
  model->norm_ms = config::get_double(json, "norm_ms", origin);
  const config::Json& list = config::get_member(json, "layers", origin);
  HAT_CHECK(list.is_array() && list.size() == kHiddenLayers + 1, ErrorKind::kData,
            str(origin, ": 'layers' is not a list of ", kHiddenLayers + 1));
  size_t inputs = kInputs;
  for (size_t l = 0; l < list.size(); ++l) {
    const int64_t outputs = config::get_int(list[l], "outputs", origin);
    HAT_CHECK(outputs > 0 && outputs <= static_cast<int64_t>(kMaxHidden) &&
                  (l < kHiddenLayers || outputs == 1),
              ErrorKind::kData, str(origin, ": layer ", l, " has ", outputs, " outputs"));
    Layer layer(inputs, static_cast<size_t>(outputs));
    const std::vector<double> weight =
        numbers_from_json(list[l], "weight", layer.weight.size(), kMaxHidden * kMaxHidden, origin);
    const std::vector<double> bias =
        numbers_from_json(list[l], "bias", layer.bias.size(), kMaxHidden, origin);
    for (size_t i = 0; i < weight.size(); ++i) layer.weight[i] = static_cast<float>(weight[i]);
    for (size_t i = 0; i < bias.size(); ++i) layer.bias[i] = static_cast<float>(bias[i]);
    inputs = layer.outputs;
    model->layers.push_back(std::move(layer));
  }
  return model;
}

}  // namespace hat::latency
