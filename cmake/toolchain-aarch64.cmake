# Cross-compiles for 64-bit ARM with Debian's compiler (scripts/setup.sh --cross installs it):
#   cmake --preset aarch64 && cmake --build --preset aarch64
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# Lets `ctest` run the program on the build machine; `max` has the dot-product instructions.
find_program(HAT_QEMU NAMES qemu-aarch64-static qemu-aarch64)
if(HAT_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${HAT_QEMU};-cpu;max;-L;/usr/aarch64-linux-gnu)
endif()
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

# The header-only libraries are the build machine's. They are reached through a folder of links: the
# whole of /usr/include would hide the cross compiler's own headers.
set(HAT_HEADERS ${CMAKE_BINARY_DIR}/host-headers)
foreach(library nlohmann flatbuffers)
  if(NOT EXISTS ${HAT_HEADERS}/${library} AND EXISTS /usr/include/${library})
    file(MAKE_DIRECTORY ${HAT_HEADERS})
    file(CREATE_LINK /usr/include/${library} ${HAT_HEADERS}/${library} SYMBOLIC)
  endif()
endforeach()
