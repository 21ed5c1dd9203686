# The optimiser's loops: vectorised, without errno from sqrt, and without contraction, so that every
# instruction set gives the same bits.
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/train/adam_kernels.cpp PROPERTIES
  COMPILE_OPTIONS "-O3;-fno-math-errno;-fno-trapping-math;-ffp-contract=off"
  SKIP_PRECOMPILE_HEADERS ON)
