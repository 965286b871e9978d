# Files of a target compiled several at a time: they share most of what they include, and reading that is most of the work
# (docs/PERFORMANCE.md, Building). The release preset, which scripts/build uses, switches it on; a file edited alone is
# compiled sooner without, so that the developers' presets do not.
#   precipice_unity(<target> <files at a time>)
# A file with compile options of its own is compiled alone, also where its property SKIP_UNITY_BUILD_INCLUSION says so.
# Two files of a target must not give one name to two things, also not inside an anonymous namespace.
option(PRECIPICE_UNITY "Compile several files of a target at a time" OFF)
function(precipice_unity target files)
  if(PRECIPICE_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${files})
  endif()
endfunction()
