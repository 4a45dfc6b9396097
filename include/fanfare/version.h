// SPDX-License-Identifier: MIT
#ifndef FANFARE_VERSION_H_
#define FANFARE_VERSION_H_

// The version of the library. CMakeLists.txt reads it from here.

/// The major version number of the library.
#define FANFARE_VERSION_MAJOR 0
/// The minor version number of the library.
#define FANFARE_VERSION_MINOR 1
/// The patch version number of the library.
#define FANFARE_VERSION_PATCH 0

#endif  // FANFARE_VERSION_H_
