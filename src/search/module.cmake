# Dense algebra over a few hundred points, all in plain loops: -O2 alone does not vectorise them.
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/search/surrogate.cpp
  ${CMAKE_SOURCE_DIR}/src/search/kernel.cpp PROPERTIES COMPILE_OPTIONS -O3)
