#if defined(__AVX2__) && defined(__FMA__)

#define HAT_DPBUSD "%{vex%} vpdpbusd"  // braces alone mean something else in assembly templates
#include "edge/kernels/avxvnni_blocks.h"

namespace hat::edge {

const Kernels kAvxVnniKernels = make_table<TileBlocks<AvxVnniDot>>(Isa::kAvxVnni);

}  // namespace hat::edge

#endif
