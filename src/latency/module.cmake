# Where a program of the build tree finds the shipped devices; an installed one looks beside itself.
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/latency/device.cpp PROPERTIES
  COMPILE_DEFINITIONS "HAT_CONFIG_DIR=\"${CMAKE_SOURCE_DIR}/configs\"")
