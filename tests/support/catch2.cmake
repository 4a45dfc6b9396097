# SPDX-License-Identifier: MIT
#
# Finds or gets Catch2 and defines
#   fanfare_catch2       what a test program links, main() included
#   fanfare_catch2_args  arguments for every run of a test case
#   catch_discover_tests from Catch2's own module
#
# Versions 2.13 and 3.x both work. The first source that has one is taken:
# FETCHCONTENT_SOURCE_DIR_CATCH2 where it is set, an installed package, the
# distribution's package where it can be installed, GitHub.

set(catch2_url https://github.com/catchorg/Catch2.git)
set(catch2_commit fa43b77429ba76c462b1898d6cd2f2d7a9416b14) # v3.7.1

if(NOT FETCHCONTENT_SOURCE_DIR_CATCH2)
  find_package(Catch2 QUIET)

  if(NOT Catch2_FOUND)
    # Only root can install a package without being asked for a password.
    find_program(FANFARE_APT_GET apt-get)
    find_program(FANFARE_ID id)
    mark_as_advanced(FANFARE_APT_GET FANFARE_ID)
    set(user "")
    if(FANFARE_APT_GET AND FANFARE_ID)
      execute_process(COMMAND ${FANFARE_ID} -u OUTPUT_VARIABLE user
                      OUTPUT_STRIP_TRAILING_WHITESPACE)
    endif()
    if(user STREQUAL "0")
      message(STATUS "Catch2 is not installed: trying apt-get install catch2")
      set(apt_get ${CMAKE_COMMAND} -E env DEBIAN_FRONTEND=noninteractive
                  ${FANFARE_APT_GET})
      execute_process(COMMAND ${apt_get} update OUTPUT_QUIET ERROR_QUIET)
      execute_process(
        COMMAND ${apt_get} install --yes --no-install-recommends catch2
        OUTPUT_QUIET ERROR_QUIET)
      # A failed find_package is remembered, so it is forgotten first.
      unset(Catch2_DIR CACHE)
      find_package(Catch2 QUIET)
    endif()
  endif()
endif()

if(NOT Catch2_FOUND)
  include(FetchContent)
  FetchContent_Declare(
    Catch2
    GIT_REPOSITORY ${catch2_url}
    GIT_TAG ${catch2_commit})

  # FetchContent's own error does not say what to do, so ask first.
  if(NOT FETCHCONTENT_SOURCE_DIR_CATCH2
     AND NOT FETCHCONTENT_FULLY_DISCONNECTED
     AND NOT EXISTS "${CMAKE_BINARY_DIR}/_deps/catch2-src/CMakeLists.txt")
    find_package(Git QUIET)
    set(reached 1)
    if(Git_FOUND)
      message(STATUS "Catch2 is not installed: trying ${catch2_url}")
      execute_process(
        COMMAND ${GIT_EXECUTABLE} ls-remote --exit-code ${catch2_url} HEAD
        TIMEOUT 30
        RESULT_VARIABLE reached
        OUTPUT_QUIET ERROR_QUIET)
    endif()
    if(NOT reached EQUAL 0)
      message(
        FATAL_ERROR
          "fanfare's tests need Catch2 2.13 or 3.x, which is neither installed "
          "nor reachable at ${catch2_url}. Install it (Debian and Ubuntu: "
          "apt-get install catch2), or name a checkout with "
          "-DFETCHCONTENT_SOURCE_DIR_CATCH2=<folder>, or leave the tests out "
          "with -DFANFARE_BUILD_TESTS=OFF.")
    endif()
  endif()

  FetchContent_MakeAvailable(Catch2)
  list(APPEND CMAKE_MODULE_PATH "${catch2_SOURCE_DIR}/extras")
  # Our warnings are for our code.
  get_target_property(catch2_includes Catch2 INTERFACE_INCLUDE_DIRECTORIES)
  set_target_properties(Catch2 PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES
                                          "${catch2_includes}")
endif()

include(Catch)

if(TARGET Catch2::Catch2WithMain)
  set(fanfare_catch2_args "")
  add_library(fanfare_catch2 INTERFACE)
  target_link_libraries(fanfare_catch2 INTERFACE Catch2::Catch2WithMain)
else()
  # A name that matches no test case is an error, as it is in version 3.
  set(fanfare_catch2_args --warn NoTests)
  add_library(fanfare_catch2 STATIC
              ${CMAKE_CURRENT_LIST_DIR}/catch2_main.cc)
  target_compile_features(fanfare_catch2 PUBLIC cxx_std_20)
  target_link_libraries(fanfare_catch2 PUBLIC Catch2::Catch2)
endif()
