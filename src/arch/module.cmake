# Where a program of the build tree finds the shipped spaces; an installed one looks beside itself.
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/arch/search_space.cpp PROPERTIES
  COMPILE_DEFINITIONS "HAT_CONFIG_DIR=\"${CMAKE_SOURCE_DIR}/configs\"")
