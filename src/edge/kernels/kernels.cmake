# Kernels: one file an instruction set, each compiled for it, all without contraction to fused
# multiply-adds, so that results agree bit for bit (kernels/kernels.h).
set(_kernels ${CMAKE_CURRENT_LIST_DIR})
set(_kernel_flags -O3 -ffp-contract=off -fno-math-errno -fno-exceptions)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  set(_kernel_isas scalar avx2 avxvnni avxvnni_evex avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  set(_kernel_isas scalar neon neondot)
else()
  set(_kernel_isas scalar)
endif()
set(_flags_scalar "")
set(_flags_avx2 -mavx2 -mfma)
# Their one instruction beyond AVX2 is written as assembly.
set(_flags_avxvnni -mavx2 -mfma)
set(_flags_avxvnni_evex -mavx2 -mfma)
set(_flags_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma
    -mprefer-vector-width=512)
# g++ 12 warns about its own header (GCC bug 105593).
list(APPEND _flags_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
set(_flags_neon -march=armv8-a)
set(_flags_neondot -march=armv8.2-a+dotprod)
if(HAT_SANITIZE MATCHES "undefined")
  # Checking every operation of unrolled loops takes the compiler minutes; scalar.cpp and the
  # generic code stay checked.
  foreach(isa IN ITEMS avx2 avxvnni avxvnni_evex avx512 neon neondot)
    list(APPEND _flags_${isa} -fno-sanitize=undefined)
  endforeach()
endif()
# Files of another architecture compile to nothing.
foreach(isa IN LISTS _kernel_isas)
  set_source_files_properties(${_kernels}/${isa}.cpp PROPERTIES
    COMPILE_OPTIONS "${_kernel_flags};${_flags_${isa}}")
endforeach()
set_source_files_properties(${_kernels}/gemm.cpp ${_kernels}/pack.cpp PROPERTIES
  COMPILE_OPTIONS "-O3;-ffp-contract=off")
