# Each instruction set's kernels are one file compiled with its flags; kernels.cpp chooses at run time.
# They use no LibTorch, and flags of their own would not fit its precompiled header.
set(HAT_KERNEL_FLAGS -O3 -fopenmp-simd -ffp-contract=fast -fno-math-errno -fno-trapping-math)
file(GLOB HAT_MODEL_KERNELS ${CMAKE_SOURCE_DIR}/src/model/kernels/*.cpp)
set_source_files_properties(${HAT_MODEL_KERNELS} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/model/kernels/kernels_scalar.cpp PROPERTIES
                            COMPILE_OPTIONS "${HAT_KERNEL_FLAGS}")
# As exact as the exporter's arithmetic, on every instruction set.
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/model/rounding.cpp PROPERTIES
  COMPILE_OPTIONS "-O3;-fno-math-errno;-fno-trapping-math;-ffp-contract=off"
  SKIP_PRECOMPILE_HEADERS ON)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set_source_files_properties(${CMAKE_SOURCE_DIR}/src/model/kernels/kernels_avx2.cpp PROPERTIES
    COMPILE_OPTIONS "${HAT_KERNEL_FLAGS};-mavx2;-mfma")
  set_source_files_properties(${CMAKE_SOURCE_DIR}/src/model/kernels/kernels_avx512.cpp PROPERTIES
    COMPILE_OPTIONS "${HAT_KERNEL_FLAGS};-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma")
endif()
