#include "edge/network.h"
#include "hat/base/cpu.h"
#include "hat/base/strings.h"
#include "hat/edge/bench.h"
#include "hat/edge/isa.h"

namespace hat::edge {
namespace {

using config::OrderedJson;

struct Shape {
  uint32_t n;
  uint32_t k;
  const char* what;
};

// The matrices of a Transformer base with 32,000 words.
constexpr Shape kShapes[] = {{1536, 512, "query, key, value"},
                             {512, 512, "attention output"},
                             {2048, 512, "feed-forward in"},
                             {512, 2048, "feed-forward out"},
                             {32000, 512, "words"}};
// One hypothesis, a beam, several sentences, a batch.
constexpr uint32_t kRows[] = {1, 5, 16, 64, 256};
// More than any cache holds: weights come from memory, as they do in a network.
constexpr size_t kFootprint = size_t{256} << 20;
constexpr double kBudgetMs = 60;

}  // namespace

OrderedJson time_products(arch::Precision precision, int threads) {
  OrderedJson rows = OrderedJson::array();
  for (const Shape& shape : kShapes) {
    for (const uint32_t m : kRows) {
      const GemmTiming timing =
          measure_gemm(weight_type(precision), m, shape.n, shape.k, threads, kFootprint, kBudgetMs);
      rows.push_back({{"what", shape.what},
                      {"outputs", shape.n},
                      {"inputs", shape.k},
                      {"rows", m},
                      {"min_us", timing.min_ns / 1e3},
                      {"median_us", timing.median_ns / 1e3},
                      {"weight_gbps", timing.weight_gbps},
                      {"gops", timing.gops}});
    }
  }
  return {{"isa", isa_name(active_isa())},
          {"threads", threads},
          {"precision", arch::precision_name(precision)},
          {"cpu", cpu_info().model},
          {"products", rows}};
}

std::string products_table(const OrderedJson& result) {
  std::string out = str("products, ", result["precision"].get<std::string>(), "  isa ",
                        result["isa"].get<std::string>(), "  threads ",
                        result["threads"].get<int>(), "  (", result["cpu"].get<std::string>(),
                        ")\n", "outputs x inputs x rows   min us  GB/s  Gop/s\n");
  for (const auto& row : result["products"]) {
    out += str(row["outputs"].get<int>(), " x ", row["inputs"].get<int>(), " x ",
               row["rows"].get<int>(), "   ", fixed(row["min_us"].get<double>(), 1), "  ",
               fixed(row["weight_gbps"].get<double>(), 1), "  ",
               fixed(row["gops"].get<double>(), 0), "  ", row["what"].get<std::string>(), "\n");
  }
  return out;
}

}  // namespace hat::edge
