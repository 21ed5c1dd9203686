#if defined(__AVX2__) && defined(__FMA__)

#define HAT_DPBUSD "vpdpbusd"
#include "edge/kernels/avxvnni_blocks.h"

namespace hat::edge {

const Kernels kAvxVnniEvexKernels = make_table<TileBlocks<AvxVnniDot>>(Isa::kAvxVnni);

}  // namespace hat::edge

#endif
