// SPDX-License-Identifier: MIT
#ifndef FANFARE_VERSION_H_
#define FANFARE_VERSION_H_

// The library's version. CMake reads it from here.
#define FANFARE_VERSION_MAJOR 0
#define FANFARE_VERSION_MINOR 1
#define FANFARE_VERSION_PATCH 0

// The inline namespace that every name of the library lives in, called after
// the major and the minor version (CMake checks that), so that two of them in
// one program never mistake each other's types. A program that replaces the
// platform (detail/platform.h) renames it too.
#ifndef FANFARE_ABI
#define FANFARE_ABI v0_1
#endif

#endif  // FANFARE_VERSION_H_
