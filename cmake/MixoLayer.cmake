# One CMake target a folder. A folder's headers are reachable as "folder/name.h" only for the targets that link it,
# so an include against the direction kernels <- engine <- probes <- sessions <- views <- app does not compile.

function(mixo_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wno-sign-conversion)
  if(MIXO_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

function(mixo_layer target folder)
  set(root ${CMAKE_BINARY_DIR}/include_roots/${folder})
  file(MAKE_DIRECTORY ${root})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${folder} ${root}/${folder} SYMBOLIC)
  target_include_directories(${target} PUBLIC ${root})
  mixo_warnings(${target})
endfunction()
