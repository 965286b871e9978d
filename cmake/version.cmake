# Writes version.h with the project's version and the commit it is built from; run at every build, touched only on change.
# cmake -DSOURCE=<tree> -DOUTPUT=<header> -DVERSION=<x.y.z> -P version.cmake
execute_process(COMMAND git -C "${SOURCE}" describe --always --dirty --abbrev=10 --exclude=*
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit "unknown")
endif()
set(text "#pragma once\n#define PRECIPICE_VERSION \"${VERSION}\"\n#define PRECIPICE_COMMIT \"${commit}\"\n")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" old)
endif()
if(NOT "${old}" STREQUAL "${text}")
  file(WRITE "${OUTPUT}" "${text}")
endif()
