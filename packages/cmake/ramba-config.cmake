# ramba::ramba is the shared library, ramba::static the static one:
#   find_package(ramba CONFIG REQUIRED)
#   target_link_libraries(program PRIVATE ramba::ramba)
# In packages of Debian the headers are not beside the folder of the libraries.
get_filename_component(_ramba_lib "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
find_path(RAMBA_INCLUDE_DIR ramba.h HINTS "${_ramba_lib}/../include" "${_ramba_lib}/../../include" REQUIRED)
mark_as_advanced(RAMBA_INCLUDE_DIR)
if(NOT TARGET ramba::ramba)
    add_library(ramba::ramba SHARED IMPORTED)
    set_target_properties(ramba::ramba PROPERTIES
        IMPORTED_LOCATION "${_ramba_lib}/libramba.so.@ABI@"
        IMPORTED_SONAME "libramba.so.@ABI@"
        INTERFACE_INCLUDE_DIRECTORIES "${RAMBA_INCLUDE_DIR}")
    add_library(ramba::static STATIC IMPORTED)
    set_target_properties(ramba::static PROPERTIES
        IMPORTED_LOCATION "${_ramba_lib}/libramba.a"
        INTERFACE_LINK_LIBRARIES "@SYSTEM@"
        INTERFACE_INCLUDE_DIRECTORIES "${RAMBA_INCLUDE_DIR}")
endif()
unset(_ramba_lib)
