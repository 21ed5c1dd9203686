include(${CMAKE_SOURCE_DIR}/src/edge/kernels/kernels.cmake)
if(TARGET hat_edge)
  # g++ contracts to fused multiply-add by default where the architecture has it (aarch64): then the
  # same model file would give other scores there.
  target_compile_options(hat_edge PRIVATE -ffp-contract=off)
endif()

# The kernel tests once more, cross-compiled and run under emulation, where the tools exist.
find_program(HAT_AARCH64_CXX aarch64-linux-gnu-g++)
find_program(HAT_QEMU_AARCH64 qemu-aarch64)
set(_gtest_sources /usr/src/googletest/googletest)
if(HAT_BUILD_TESTS AND NOT CMAKE_CROSSCOMPILING AND HAT_AARCH64_CXX AND HAT_QEMU_AARCH64
   AND EXISTS ${_gtest_sources}/src/gtest-all.cc)
  add_test(NAME edge.KernelsUnderAarch64Emulation
    COMMAND ${CMAKE_CTEST_COMMAND}
      --build-and-test ${CMAKE_SOURCE_DIR}/tests/edge/aarch64 ${CMAKE_BINARY_DIR}/aarch64_kernels
      --build-generator Ninja
      --build-options -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64
        -DCMAKE_CXX_COMPILER=${HAT_AARCH64_CXX} -DHAT_GTEST_SOURCES=${_gtest_sources}
      --test-command ${HAT_QEMU_AARCH64} -cpu max ./kernels_tests --gtest_brief=1)
  set_tests_properties(edge.KernelsUnderAarch64Emulation PROPERTIES LABELS slow TIMEOUT 1200)
endif()

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
