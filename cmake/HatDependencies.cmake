# Every library from outside, once. Names with hat:: are ours; what a file may use is decided by the
# module map, not here.
find_package(Threads REQUIRED)

add_library(hat_json_interface INTERFACE)
add_library(hat::json ALIAS hat_json_interface)
add_library(hat_cli11_interface INTERFACE)
add_library(hat::cli11 ALIAS hat_cli11_interface)
add_library(hat_flatbuffers_interface INTERFACE)
add_library(hat::flatbuffers ALIAS hat_flatbuffers_interface)
# These three are header-only: a cross build reads them from the build machine (HAT_HEADERS, see
# cmake/toolchain-aarch64.cmake), an ordinary build from the system.
if(HAT_HEADERS)
  foreach(lib json cli11 flatbuffers)
    target_include_directories(hat_${lib}_interface SYSTEM INTERFACE ${HAT_HEADERS})
  endforeach()
endif()

if(NOT HAT_DEVICE_ONLY)
  find_package(spdlog REQUIRED)
  find_library(HAT_SENTENCEPIECE sentencepiece REQUIRED)
  find_library(HAT_SENTENCEPIECE_TRAIN sentencepiece_train REQUIRED)
  add_library(hat_sentencepiece_interface INTERFACE)
  add_library(hat::sentencepiece ALIAS hat_sentencepiece_interface)
  target_link_libraries(hat_sentencepiece_interface INTERFACE ${HAT_SENTENCEPIECE_TRAIN}
                        ${HAT_SENTENCEPIECE})
endif()

if(HAT_BUILD_TESTS)
  find_package(GTest REQUIRED)
  add_library(hat_gtest_interface INTERFACE)
  add_library(hat::gtest ALIAS hat_gtest_interface)
  target_link_libraries(hat_gtest_interface INTERFACE GTest::gtest GTest::gmock GTest::gtest_main)
endif()

if(HAT_WITH_TORCH AND NOT HAT_DEVICE_ONLY)
  # HAT_TORCH names a torch folder: from a Python wheel, a CUDA build, or an unpacked LibTorch.
  if(NOT HAT_TORCH)
    if(DEFINED ENV{HAT_TORCH})
      set(HAT_TORCH $ENV{HAT_TORCH})
    else()
      file(GLOB HAT_TORCH ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
    endif()
  endif()
  set(HAT_TORCH "${HAT_TORCH}" CACHE PATH "The LibTorch folder")
  if(NOT EXISTS "${HAT_TORCH}/include/ATen/ATen.h")
    message(FATAL_ERROR "LibTorch not found (HAT_TORCH='${HAT_TORCH}'). Run scripts/setup.sh, or pass "
                        "-DHAT_TORCH=DIR, or -DHAT_WITH_TORCH=OFF for the parts that need none.")
  endif()
  # The folder itself, not its share/cmake: with the latter CMake can find another libc10.
  list(PREPEND CMAKE_PREFIX_PATH ${HAT_TORCH})
  find_package(Torch 2.6 REQUIRED)
  add_library(hat_torch_interface INTERFACE)
  add_library(hat::torch ALIAS hat_torch_interface)
  target_link_libraries(hat_torch_interface INTERFACE ${TORCH_LIBRARIES} Threads::Threads)
  target_include_directories(hat_torch_interface SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
  separate_arguments(HAT_TORCH_FLAGS UNIX_COMMAND "${TORCH_CXX_FLAGS}")
  target_compile_options(hat_torch_interface INTERFACE ${HAT_TORCH_FLAGS})

  add_library(hat_torch_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/torch_pch.cpp)
  hat_use_torch(hat_torch_pch)
  target_precompile_headers(hat_torch_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/torch_pch.h)
endif()
