# Install script for directory: /tmp/v/w10

# Set the install prefix
if(NOT DEFINED CMAKE_INSTALL_PREFIX)
  set(CMAKE_INSTALL_PREFIX "/usr/local")
endif()
string(REGEX REPLACE "/$" "" CMAKE_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}")

# Set the install configuration name.
if(NOT DEFINED CMAKE_INSTALL_CONFIG_NAME)
  if(BUILD_TYPE)
    string(REGEX REPLACE "^[^A-Za-z0-9_]+" ""
           CMAKE_INSTALL_CONFIG_NAME "${BUILD_TYPE}")
  else()
    set(CMAKE_INSTALL_CONFIG_NAME "None")
  endif()
  message(STATUS "Install configuration: \"${CMAKE_INSTALL_CONFIG_NAME}\"")
endif()

# Set the component getting installed.
if(NOT CMAKE_INSTALL_COMPONENT)
  if(COMPONENT)
    message(STATUS "Install component: \"${COMPONENT}\"")
    set(CMAKE_INSTALL_COMPONENT "${COMPONENT}")
  else()
    set(CMAKE_INSTALL_COMPONENT)
  endif()
endif()

# Install shared libraries without execute permission?
if(NOT DEFINED CMAKE_INSTALL_SO_NO_EXE)
  set(CMAKE_INSTALL_SO_NO_EXE "1")
endif()

# Is this installation the result of a crosscompile?
if(NOT DEFINED CMAKE_CROSSCOMPILING)
  set(CMAKE_CROSSCOMPILING "FALSE")
endif()

# Set default install directory permissions.
if(NOT DEFINED CMAKE_OBJDUMP)
  set(CMAKE_OBJDUMP "/usr/bin/llvm-objdump")
endif()

if(NOT CMAKE_INSTALL_LOCAL_ONLY)
  # Include the install script for the subdirectory.
  include("/tmp/v/w10/b/tests/cmake_install.cmake")
endif()

if(NOT CMAKE_INSTALL_LOCAL_ONLY)
  # Include the install script for the subdirectory.
  include("/tmp/v/w10/b/examples/cmake_install.cmake")
endif()

if(CMAKE_INSTALL_COMPONENT STREQUAL "Unspecified" OR NOT CMAKE_INSTALL_COMPONENT)
  file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/include/fanfare" TYPE FILE FILES
    "/tmp/v/w10/include/fanfare/channel.h"
    "/tmp/v/w10/include/fanfare/fanfare.h"
    "/tmp/v/w10/include/fanfare/feed.h"
    "/tmp/v/w10/include/fanfare/join_subscriptions.h"
    "/tmp/v/w10/include/fanfare/resubscribe.h"
    "/tmp/v/w10/include/fanfare/select.h"
    "/tmp/v/w10/include/fanfare/subscription.h"
    "/tmp/v/w10/include/fanfare/subscription_scope.h"
    "/tmp/v/w10/include/fanfare/version.h"
    )
  file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/include/fanfare/detail" TYPE FILE FILES
    "/tmp/v/w10/include/fanfare/detail/backoff.h"
    "/tmp/v/w10/include/fanfare/detail/channel_core.h"
    "/tmp/v/w10/include/fanfare/detail/deadline.h"
    "/tmp/v/w10/include/fanfare/detail/fan_out.h"
    "/tmp/v/w10/include/fanfare/detail/feed_core.h"
    "/tmp/v/w10/include/fanfare/detail/feed_subscription.h"
    "/tmp/v/w10/include/fanfare/detail/intrusive_list.h"
    "/tmp/v/w10/include/fanfare/detail/lineage.h"
    "/tmp/v/w10/include/fanfare/detail/operation.h"
    "/tmp/v/w10/include/fanfare/detail/parker.h"
    "/tmp/v/w10/include/fanfare/detail/platform.h"
    "/tmp/v/w10/include/fanfare/detail/producer.h"
    "/tmp/v/w10/include/fanfare/detail/ref.h"
    "/tmp/v/w10/include/fanfare/detail/ring.h"
    "/tmp/v/w10/include/fanfare/detail/scope_core.h"
    "/tmp/v/w10/include/fanfare/detail/select_cases.h"
    "/tmp/v/w10/include/fanfare/detail/select_engine.h"
    "/tmp/v/w10/include/fanfare/detail/spin_lock.h"
    "/tmp/v/w10/include/fanfare/detail/subscription_state.h"
    "/tmp/v/w10/include/fanfare/detail/turn.h"
    )
endif()

if(CMAKE_INSTALL_COMPONENT STREQUAL "Unspecified" OR NOT CMAKE_INSTALL_COMPONENT)
  if(EXISTS "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/cmake/fanfare/fanfare-targets.cmake")
    file(DIFFERENT _cmake_export_file_changed FILES
         "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/cmake/fanfare/fanfare-targets.cmake"
         "/tmp/v/w10/b/CMakeFiles/Export/c18099a6dbb51047c9f06ad60c7fa25b/fanfare-targets.cmake")
    if(_cmake_export_file_changed)
      file(GLOB _cmake_old_config_files "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/cmake/fanfare/fanfare-targets-*.cmake")
      if(_cmake_old_config_files)
        string(REPLACE ";" ", " _cmake_old_config_files_text "${_cmake_old_config_files}")
        message(STATUS "Old export file \"$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/cmake/fanfare/fanfare-targets.cmake\" will be replaced.  Removing files [${_cmake_old_config_files_text}].")
        unset(_cmake_old_config_files_text)
        file(REMOVE ${_cmake_old_config_files})
      endif()
      unset(_cmake_old_config_files)
    endif()
    unset(_cmake_export_file_changed)
  endif()
  file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/lib/cmake/fanfare" TYPE FILE FILES "/tmp/v/w10/b/CMakeFiles/Export/c18099a6dbb51047c9f06ad60c7fa25b/fanfare-targets.cmake")
endif()

if(CMAKE_INSTALL_COMPONENT STREQUAL "Unspecified" OR NOT CMAKE_INSTALL_COMPONENT)
  file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/lib/cmake/fanfare" TYPE FILE FILES
    "/tmp/v/w10/b/fanfare-config.cmake"
    "/tmp/v/w10/b/fanfare-config-version.cmake"
    )
endif()

if(CMAKE_INSTALL_COMPONENT)
  set(CMAKE_INSTALL_MANIFEST "install_manifest_${CMAKE_INSTALL_COMPONENT}.txt")
else()
  set(CMAKE_INSTALL_MANIFEST "install_manifest.txt")
endif()

string(REPLACE ";" "\n" CMAKE_INSTALL_MANIFEST_CONTENT
       "${CMAKE_INSTALL_MANIFEST_FILES}")
file(WRITE "/tmp/v/w10/b/${CMAKE_INSTALL_MANIFEST}"
     "${CMAKE_INSTALL_MANIFEST_CONTENT}")
