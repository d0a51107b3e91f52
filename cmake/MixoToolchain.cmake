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

if(MIXO_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # coverage of our own code; each fuzz target links libFuzzer itself
endif()

message(STATUS "CUDA engine: not part of this version; building the CPU engine only")
