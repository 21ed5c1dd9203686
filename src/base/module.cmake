# The version header's values: regenerated when CMake runs, compiled into one small file.
execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} describe --always --dirty=+ --exclude=*
                OUTPUT_VARIABLE HAT_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT HAT_COMMIT)
  set(HAT_COMMIT unknown)
endif()
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/base/version.cpp PROPERTIES COMPILE_DEFINITIONS
  "HAT_VERSION=\"${PROJECT_VERSION}\";HAT_COMMIT=\"${HAT_COMMIT}\";HAT_BUILD=\"${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, ${CMAKE_BUILD_TYPE}\"")
target_link_libraries(hat_base PUBLIC Threads::Threads)
# Where a program of the build tree finds the shipped configs; an installed one looks beside itself.
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/base/install.cpp PROPERTIES
  COMPILE_DEFINITIONS "HAT_CONFIG_DIR=\"${CMAKE_SOURCE_DIR}/configs\"")
