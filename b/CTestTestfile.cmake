# CMake generated Testfile for 
# Source directory: /tmp/v/w10
# Build directory: /tmp/v/w10/b
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
subdirs("tests")
subdirs("examples")
