# What the machine offers beyond the compiler: ccache and a faster linker where present, sanitizers on request, nvcc.

find_program(MIXO_CCACHE ccache)
if(MIXO_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${MIXO_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MIXO_CCACHE})
endif()

find_program(MIXO_MOLD mold)
if(MIXO_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

if(MIXO_SANITIZE)
  add_compile_options(-fsanitize=${MIXO_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MIXO_SANITIZE})
  if(MIXO_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
if(MIXO_SANITIZE MATCHES "thread")
  add_compile_definitions(MIXO_THREAD_SANITIZER)
  # clang's static runtime brings operator new; the tests that count allocations bring their own, which goes first.
  add_link_options(-Wl,--allow-multiple-definition)
  # Kernels that draw addresses from a wider range place things where the sanitizer wants its shadow memory.
  execute_process(COMMAND setarch --addr-no-randomize true RESULT_VARIABLE addresses_can_be_fixed OUTPUT_QUIET ERROR_QUIET)
  if(addresses_can_be_fixed EQUAL 0)
    set(CMAKE_CROSSCOMPILING_EMULATOR setarch;--addr-no-randomize)
  endif()
endif()

# mixo_precompile(TARGET HEADER...): precompiles headers that most of a target's files include, under sanitizers only: it halves
# the time to build, and the other presets go on to find the file that lacks an include.
function(mixo_precompile target)
  if(NOT MIXO_SANITIZE)
    return()
  endif()
  target_precompile_headers(${target} PRIVATE ${ARGN})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")  # ccache's condition for caching its users
  endif()
endfunction()
if(MIXO_SANITIZE AND MIXO_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${MIXO_CCACHE})
endif()

message(STATUS "CUDA engine: not part of this version; building the CPU engine only")
