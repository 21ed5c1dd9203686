# Kernels: one file an instruction set, each compiled for it, all without contraction to fused
# multiply-adds, so that results agree bit for bit (kernels/kernels.h).
set(_kernels ${CMAKE_CURRENT_SOURCE_DIR}/src/edge/kernels)
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
set(_flags_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mprefer-vector-width=512)
# g++ 12 warns about its own header (GCC bug 105593).
list(APPEND _flags_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
set(_flags_neon -march=armv8-a)
set(_flags_neondot -march=armv8.2-a+dotprod)
# Files of another architecture compile to nothing.
foreach(isa IN LISTS _kernel_isas)
  set_source_files_properties(${_kernels}/${isa}.cpp PROPERTIES
    COMPILE_OPTIONS "${_kernel_flags};${_flags_${isa}}")
endforeach()
set_source_files_properties(${_kernels}/gemm.cpp ${_kernels}/pack.cpp PROPERTIES COMPILE_OPTIONS "-O3;-ffp-contract=off")

# The model file's header is generated from its schema at build time, by the build machine's flatc (a
# cross build names it with HAT_FLATC).
find_program(HAT_FLATC flatc REQUIRED)
set(HAT_EDGE_GENERATED ${CMAKE_BINARY_DIR}/generated/edge)
add_custom_command(
  OUTPUT ${HAT_EDGE_GENERATED}/model_generated.h
  COMMAND ${HAT_FLATC} --cpp --scoped-enums --filename-suffix _generated -o ${HAT_EDGE_GENERATED}
          ${CMAKE_SOURCE_DIR}/src/edge/model.fbs
  DEPENDS ${CMAKE_SOURCE_DIR}/src/edge/model.fbs
  COMMENT "Generating model_generated.h")
if(TARGET hat_edge)
  target_sources(hat_edge PRIVATE ${HAT_EDGE_GENERATED}/model_generated.h)
  target_include_directories(hat_edge SYSTEM PRIVATE ${HAT_EDGE_GENERATED})
  target_link_libraries(hat_edge PRIVATE hat::flatbuffers)
  # The library's default of 32 is only a bound for its own assertion.
  target_compile_definitions(hat_edge PRIVATE FLATBUFFERS_MAX_ALIGNMENT=64)
endif()
