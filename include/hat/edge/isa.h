#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hat::edge {

/// The instruction sets that have kernels of their own. All of them give the same int8 and int4
/// results bit for bit (see kernels/kernels.h), so the choice changes the time and nothing else.
enum class Isa {
  kScalar,   ///< "scalar": plain C++, every machine
  kAvx2,     ///< "avx2": AVX2 and FMA
  kAvxVnni,  ///< "avxvnni": AVX2 with the 256-bit dot product (VEX)
  kAvx512,   ///< "avx512": AVX-512 F, BW, DQ, VL with VNNI
  kNeon,     ///< "neon": any aarch64
  kNeonDot,  ///< "neondot": aarch64 with the dot-product extension
};

const char* isa_name(Isa isa);

/// Throws kUsage for an unknown name, naming the known ones.
Isa parse_isa(std::string_view name);

/// Those built into this program that this processor can run, best last.
std::vector<Isa> supported_isas();

/// The one in use: the best supported, or what the environment variable HAT_ISA names (kUsage when
/// it is unknown, not built in, or not supported by this processor). Read once, at the first call.
Isa active_isa();

}  // namespace hat::edge
