// SPDX-License-Identifier: MIT
#ifndef FANFARE_VERSION_H_
#define FANFARE_VERSION_H_

// The library's version. CMake reads it from here.
#define FANFARE_VERSION_MAJOR 0
#define FANFARE_VERSION_MINOR 1
#define FANFARE_VERSION_PATCH 0

#endif  // FANFARE_VERSION_H_
