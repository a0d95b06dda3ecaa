# libpbts: include/pbts/pbts.h as a shared and as a static library, for other clients.
#
# Both show exactly the names libpbts_*. The shared one by its version script; the static one by
# linking everything into one object file and making all other names local, so that nothing of it
# can clash with the client's own.
include(GNUInstallDirs)
set(PBTS_API_MODULES pbts_peer pbts_wire pbts_receipt pbts_torrent pbts_ecc pbts_bls pbts_codec pbts_hash pbts_base)
set(PBTS_API_LIBS PkgConfig::CRYPTO PkgConfig::JANSSON PkgConfig::SECP256K1)

function(pbts_add_shared_library)
    file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/api/*.c)
    set(script ${CMAKE_SOURCE_DIR}/cmake/libpbts.map)
    add_library(pbts_shared SHARED ${files})
    target_include_directories(pbts_shared PRIVATE ${CMAKE_SOURCE_DIR}/src INTERFACE ${CMAKE_SOURCE_DIR}/include)
    target_compile_options(pbts_shared PRIVATE -fvisibility=hidden)
    target_link_libraries(pbts_shared PRIVATE ${PBTS_API_MODULES})
    target_link_options(pbts_shared PRIVATE -Wl,--version-script=${script})
    set_target_properties(pbts_shared PROPERTIES OUTPUT_NAME pbts VERSION ${PROJECT_VERSION} SOVERSION 0
                          LINK_DEPENDS ${script} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
endfunction()

function(pbts_add_static_library)
    set(archive ${CMAKE_BINARY_DIR}/lib/libpbts.a)
    set(object ${CMAKE_BINARY_DIR}/CMakeFiles/libpbts.o)
    set(parts "")
    foreach(module IN LISTS PBTS_API_MODULES)
        list(APPEND parts $<TARGET_FILE:${module}>)
    endforeach()
    if(NOT BLST_FOUND)
        list(APPEND parts $<TARGET_FILE:blst>)
    endif()
    add_custom_command(OUTPUT ${archive}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/lib
        COMMAND ${CMAKE_LINKER} -r -o ${object} --whole-archive $<TARGET_FILE:pbts_api> --no-whole-archive
                --start-group ${parts} --end-group
        COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=libpbts_* ${object}
        COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
        COMMAND ${CMAKE_AR} rcs ${archive} ${object}
        DEPENDS pbts_api ${PBTS_API_MODULES}
        COMMENT "Linking lib/libpbts.a" VERBATIM)
    add_custom_target(pbts_static ALL DEPENDS ${archive})
endfunction()

# What a client's linker needs beside libpbts, and who wants to link it statically.
function(pbts_install_library)
    set(requires "libcrypto jansson libsecp256k1")
    if(BLST_FOUND)
        string(APPEND requires " libblst")
    endif()
    set(PBTS_REQUIRES_PRIVATE ${requires})
    # Found from where the .pc file is, so that --prefix at installation moves it all.
    file(RELATIVE_PATH PBTS_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
    configure_file(${CMAKE_SOURCE_DIR}/cmake/pbts.pc.in ${CMAKE_BINARY_DIR}/lib/pbts.pc @ONLY)
    install(TARGETS pbts_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libpbts)
    install(FILES ${CMAKE_BINARY_DIR}/lib/libpbts.a DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libpbts)
    install(FILES ${CMAKE_SOURCE_DIR}/include/pbts/pbts.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pbts
            COMPONENT libpbts)
    install(FILES ${CMAKE_BINARY_DIR}/lib/pbts.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT libpbts)
endfunction()

# examples/*.c, each built against the shared library as a client would be.
function(pbts_add_examples)
    file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/examples/*.c)
    foreach(file IN LISTS files)
        get_filename_component(name ${file} NAME_WE)
        add_executable(example_${name} ${file})
        target_link_libraries(example_${name} PRIVATE pbts_shared)
        set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name} C_STANDARD 99
                              RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples)
    endforeach()
endfunction()

pbts_add_shared_library()
pbts_add_static_library()
pbts_install_library()
pbts_add_examples()
