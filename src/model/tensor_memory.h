#pragma once

#include <cstddef>

// Memory of CPU tensors while training. Networks of all sizes take turns, so blocks of thousands of
// sizes come and go; malloc ends with long lists of gaps, in whose search a quarter of the time and
// to whose leftovers gigabytes were lost. Here large blocks come in four sizes an octave, in pages
// of their own (huge ones where the system has them), and wait for the next tensor when they are
// free.
namespace hat::model {

/// Every CPU tensor made from now on gets its memory here. May be called again.
void install_tensor_memory();

/// Returns the blocks that wait to the system; their bytes.
size_t release_idle_tensor_memory();

struct TensorMemoryUse {
  size_t live = 0;  ///< bytes of blocks in tensors
  size_t idle = 0;  ///< bytes of blocks that wait; live + idle is at most 1.5 times the most live
};
/// Large blocks only.
TensorMemoryUse tensor_memory_use();

/// The bytes of the block that a tensor of `bytes` gets; `bytes` itself where it is small enough
/// for malloc.
size_t tensor_block_bytes(size_t bytes);

}  // namespace hat::model
