#pragma once

#include <cstdint>
#include <string>

namespace hat::model {

/// How matrix products are computed. Weights, their gradients, norms, softmax and losses stay fp32.
enum class Compute {
  kFp32,
  kBf16,  ///< bf16 operands, fp32 accumulation
};
std::string compute_name(Compute compute);

/// What products and word tables see in place of the weights: the weights as they will be after
/// quantising, while gradients and updates go to the exact ones (straight-through estimator: Bengio
/// et al. 2013; for integer weights Jacob et al. 2018, section 3).
enum class WeightRounding { kNone, kInt8, kInt4 };
/// "none", "int8" or "int4"; throws kUsage on others.
WeightRounding parse_rounding(const std::string& name);

/// Resolves "auto", "fp32" or "bf16": auto takes bf16 where the processor (or GPU) computes it in
/// hardware, since emulated bf16 is tens of times slower. "bf16" is obeyed anywhere, with a
/// warning. HAT_COMPUTE in the environment overrides "auto". Throws kUsage on other names.
Compute resolve_compute(const std::string& setting, bool cuda = false);

/// Settings of the process that training depends on: number of threads of LibTorch (0: all cores
/// this process may use); large blocks of memory kept, in few sizes, instead of returned to the
/// system after every step; and a limit to the memory of the process (RLIMIT_DATA) at what the
/// machine, or the container, has free: an allocation beyond it then fails, which training answers
/// with smaller parts, where the system would kill the process.
void configure_process(int threads);

/// Returns memory to the system that is kept for the next tensors and that none uses now; whether
/// there was any.
bool release_idle_memory();

/// Rates as fairseq names them; the network scales them by its width (hat-spec section 2).
struct DropoutRates {
  double residual = 0;    ///< embeddings and every residual branch
  double attention = 0;   ///< attention probabilities; never scaled
  double activation = 0;  ///< inside the feed-forward network
};

/// Names the random numbers of one forward pass. Masks are a function of this key, the place in the
/// network and the element alone: not of threads, batch splits before it, or earlier passes.
struct DropoutKey {
  uint64_t seed = 0;
  uint64_t update = 0;
  uint64_t micro_batch = 0;  ///< also counts the SubTransformers of one update apart
};

/// One pass through the network.
struct Pass {
  bool training = false;  ///< apply dropout
  DropoutRates dropout;
  DropoutKey key;
};

}  // namespace hat::model
