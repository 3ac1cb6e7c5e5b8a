# SPDX-License-Identifier: Apache-2.0
# What every target of vmferry is built with.

add_library(vmferry_options INTERFACE)
target_compile_options(vmferry_options INTERFACE -Wall -Wextra -Wpedantic -Wnon-virtual-dtor
  -Woverloaded-virtual -Wvla -Werror -fno-omit-frame-pointer -fstack-protector-strong)
target_include_directories(vmferry_options INTERFACE ${CMAKE_SOURCE_DIR})
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(vmferry_options INTERFACE -Wshadow=local -fpch-preprocess)  # ccache needs it with precompiled headers
  # g++ spends a tenth of its time on collecting garbage in sources as small as ours; it may take 0.9 GB before.
  target_compile_options(vmferry_options INTERFACE --param=ggc-min-heapsize=900000)
  # False positives of g++ 12 and 13 in the standard library at -O2 (GCC bugs 105329, 107852).
  target_compile_options(vmferry_options INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds
    -Wno-maybe-uninitialized -Wno-dangling-reference)
endif()
if(VMFERRY_SANITIZE)
  target_compile_options(vmferry_options INTERFACE -fsanitize=${VMFERRY_SANITIZE} -fno-sanitize-recover=all)
  if(VMFERRY_SANITIZE MATCHES "undefined")
    # A third of the time to build, for what the address sanitizer finds too (null) and what x86 forgives (alignment).
    target_compile_options(vmferry_options INTERFACE -fno-sanitize=null,alignment)
  endif()
  target_link_options(vmferry_options INTERFACE -fsanitize=${VMFERRY_SANITIZE})
  if(VMFERRY_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(vmferry_options INTERFACE -Wno-tsan)
  endif()
endif()

# What every source of `target` finds compiled already.
function(vmferry_precompile target)
  target_precompile_headers(${target} PRIVATE ${ARGN} <nlohmann/json.hpp> "${CMAKE_SOURCE_DIR}/cmake/json_once.h")
endfunction()

# vmferry_library(FOLDER PUBLIC LIBS...): all sources below FOLDER as the library vmferry_FOLDER.
function(vmferry_library folder)
  cmake_parse_arguments(ARG "" "" "PUBLIC" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  add_library(vmferry_${folder} STATIC ${sources})
  target_link_libraries(vmferry_${folder} PUBLIC ${ARG_PUBLIC} PRIVATE vmferry_options)
  target_include_directories(vmferry_${folder} PUBLIC ${CMAKE_SOURCE_DIR})
  if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT VMFERRY_SANITIZE)
    target_compile_options(vmferry_${folder} PRIVATE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
  vmferry_precompile(vmferry_${folder} <algorithm> <chrono> <functional> <map> <memory> <string> <string_view> <utility>
    <variant> <vector>)
endfunction()
