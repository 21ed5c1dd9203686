# hat_module(NAME [DEPS other...] [TEST_DEPS other...] [TORCH])
#
# Declares one module of the map in docs/structure.md: a static library hat_NAME from src/NAME/*.cpp
# and, with tests on, one program hat_NAME_tests from tests/NAME/*_test.cpp. A module with settings of
# its own (flags for one file, a generated header) keeps them in src/NAME/module.cmake.
include(GoogleTest)

set(HAT_WARNINGS -Wall -Wextra -Wshadow -Wno-psabi)
if(HAT_WERROR)
  list(APPEND HAT_WARNINGS -Werror)
endif()

function(hat_target_defaults target)
  target_compile_options(${target} PRIVATE ${HAT_WARNINGS})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  if(HAT_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${HAT_SANITIZE} -fno-omit-frame-pointer -g)
    target_link_options(${target} PUBLIC -fsanitize=${HAT_SANITIZE})
  endif()
endfunction()

# LibTorch headers cost seconds a file; they are precompiled once a program and shared by the rest.
function(hat_use_torch target)
  target_link_libraries(${target} PUBLIC hat::torch)
  # A precompiled header serves only files compiled with the same flags: programs take -fPIC too.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  if(NOT target STREQUAL "hat_torch_pch")
    target_precompile_headers(${target} REUSE_FROM hat_torch_pch)
  endif()
endfunction()

function(hat_module name)
  cmake_parse_arguments(ARG "TORCH" "" "DEPS;TEST_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp
       ${CMAKE_SOURCE_DIR}/src/${name}/*/*.cpp)
  if(NOT sources)
    add_library(hat_${name} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(hat_${name} STATIC ${sources})
    set(scope PUBLIC)
    hat_target_defaults(hat_${name})
  endif()
  target_include_directories(hat_${name} ${scope} ${CMAKE_SOURCE_DIR}/include)
  foreach(dep IN LISTS ARG_DEPS)
    if(dep STREQUAL "json")
      target_link_libraries(hat_${name} ${scope} hat::json)
    else()
      target_link_libraries(hat_${name} ${scope} hat_${dep})
    endif()
  endforeach()
  if(ARG_TORCH AND sources)
    hat_use_torch(hat_${name})
  endif()
  if(EXISTS ${CMAKE_SOURCE_DIR}/src/${name}/module.cmake)
    include(${CMAKE_SOURCE_DIR}/src/${name}/module.cmake)
  endif()

  file(GLOB test_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${name}/*_test.cpp)
  if(HAT_BUILD_TESTS AND test_sources)
    add_executable(hat_${name}_tests ${test_sources})
    hat_target_defaults(hat_${name}_tests)
    target_link_libraries(hat_${name}_tests PRIVATE hat_${name} hat::gtest)
    foreach(dep IN LISTS ARG_TEST_DEPS)
      target_link_libraries(hat_${name}_tests PRIVATE hat_${dep})
    endforeach()
    target_include_directories(hat_${name}_tests PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    # Tests are compiled more often than they run: what they test is optimised, they need not be.
    # (Those with LibTorch share a precompiled header, so they share its flags too.)
    if(NOT ARG_TORCH)
      target_compile_options(hat_${name}_tests PRIVATE $<$<CONFIG:Release>:-O0>)
    endif()
    target_compile_definitions(hat_${name}_tests PRIVATE HAT_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                               HAT_BINARY_DIR="${CMAKE_BINARY_DIR}")
    set(label unit)
    set(environment "")
    if(ARG_TORCH)
      set(label torch)
      # Spinning OpenMP threads of tests that run side by side stop each other for minutes.
      set(environment ENVIRONMENT OMP_WAIT_POLICY=passive)
      hat_use_torch(hat_${name}_tests)
    endif()
    # A test whose name starts with Slow carries that label alone: scripts/test.sh leaves it out
    # unless asked.
    gtest_discover_tests(hat_${name}_tests DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
      TEST_PREFIX "${name}." TEST_FILTER "-Slow*" PROPERTIES LABELS ${label} TIMEOUT 600 ${environment})
    gtest_discover_tests(hat_${name}_tests DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
      TEST_PREFIX "${name}." TEST_FILTER "Slow*" TEST_LIST ${name}_slow_tests
      PROPERTIES LABELS slow TIMEOUT 3600 ${environment})
  endif()
endfunction()
