# CMake generated Testfile for 
# Source directory: /tmp/v/w10/examples
# Build directory: /tmp/v/w10/b/examples
# 
# This file includes the relevant testing commands required for 
# testing this directory and lists subdirectories to be tested as well.
add_test([=[examples/01_hello]=] "/usr/bin/cmake" "-DEXPECTED=expected/01_hello.txt" "-P" "/tmp/v/w10/examples/expect_output.cmake" "--" "/tmp/v/w10/b/examples/01_hello")
set_tests_properties([=[examples/01_hello]=] PROPERTIES  LABELS "fast" TIMEOUT "60" WORKING_DIRECTORY "/tmp/v/w10/examples" _BACKTRACE_TRIPLES "/tmp/v/w10/examples/CMakeLists.txt;11;add_test;/tmp/v/w10/examples/CMakeLists.txt;21;fanfare_example;/tmp/v/w10/examples/CMakeLists.txt;0;")
add_test([=[examples/02_acknowledged_events]=] "/usr/bin/cmake" "-DEXPECTED=expected/02_acknowledged_events.txt" "-P" "/tmp/v/w10/examples/expect_output.cmake" "--" "/tmp/v/w10/b/examples/02_acknowledged_events")
set_tests_properties([=[examples/02_acknowledged_events]=] PROPERTIES  LABELS "fast" TIMEOUT "60" WORKING_DIRECTORY "/tmp/v/w10/examples" _BACKTRACE_TRIPLES "/tmp/v/w10/examples/CMakeLists.txt;11;add_test;/tmp/v/w10/examples/CMakeLists.txt;22;fanfare_example;/tmp/v/w10/examples/CMakeLists.txt;0;")
add_test([=[examples/03_new_subscription]=] "/usr/bin/cmake" "-DEXPECTED=expected/03_new_subscription.txt" "-P" "/tmp/v/w10/examples/expect_output.cmake" "--" "/tmp/v/w10/b/examples/03_new_subscription")
set_tests_properties([=[examples/03_new_subscription]=] PROPERTIES  LABELS "fast" TIMEOUT "60" WORKING_DIRECTORY "/tmp/v/w10/examples" _BACKTRACE_TRIPLES "/tmp/v/w10/examples/CMakeLists.txt;11;add_test;/tmp/v/w10/examples/CMakeLists.txt;23;fanfare_example;/tmp/v/w10/examples/CMakeLists.txt;0;")
add_test([=[examples/04_subscription_scope]=] "/usr/bin/cmake" "-DEXPECTED=expected/04_subscription_scope.txt" "-P" "/tmp/v/w10/examples/expect_output.cmake" "--" "/tmp/v/w10/b/examples/04_subscription_scope")
set_tests_properties([=[examples/04_subscription_scope]=] PROPERTIES  LABELS "fast" TIMEOUT "60" WORKING_DIRECTORY "/tmp/v/w10/examples" _BACKTRACE_TRIPLES "/tmp/v/w10/examples/CMakeLists.txt;11;add_test;/tmp/v/w10/examples/CMakeLists.txt;24;fanfare_example;/tmp/v/w10/examples/CMakeLists.txt;0;")
add_test([=[examples/05_select_timeout]=] "/usr/bin/cmake" "-DEXPECTED=expected/05_select_timeout.txt" "-P" "/tmp/v/w10/examples/expect_output.cmake" "--" "/tmp/v/w10/b/examples/05_select_timeout")
set_tests_properties([=[examples/05_select_timeout]=] PROPERTIES  LABELS "fast" TIMEOUT "60" WORKING_DIRECTORY "/tmp/v/w10/examples" _BACKTRACE_TRIPLES "/tmp/v/w10/examples/CMakeLists.txt;11;add_test;/tmp/v/w10/examples/CMakeLists.txt;25;fanfare_example;/tmp/v/w10/examples/CMakeLists.txt;0;")
add_test([=[examples/06_resubscribe_tcp]=] "/usr/bin/cmake" "-DEXPECTED=expected/06_resubscribe_tcp.txt" "-P" "/tmp/v/w10/examples/expect_output.cmake" "--" "/tmp/v/w10/b/examples/06_resubscribe_tcp")
set_tests_properties([=[examples/06_resubscribe_tcp]=] PROPERTIES  LABELS "fast" TIMEOUT "60" WORKING_DIRECTORY "/tmp/v/w10/examples" _BACKTRACE_TRIPLES "/tmp/v/w10/examples/CMakeLists.txt;11;add_test;/tmp/v/w10/examples/CMakeLists.txt;32;fanfare_example;/tmp/v/w10/examples/CMakeLists.txt;0;")
add_test([=[examples/10_lines]=] "/usr/bin/cmake" "-DEXPECTED=expected/10_lines.txt" "-P" "/tmp/v/w10/examples/expect_output.cmake" "--" "/tmp/v/w10/b/examples/10_lines" "--plain" "--match" "[0-9]" "--top" "3" "expected/02_acknowledged_events.txt" "expected/06_resubscribe_tcp.txt")
set_tests_properties([=[examples/10_lines]=] PROPERTIES  LABELS "fast" TIMEOUT "60" WORKING_DIRECTORY "/tmp/v/w10/examples" _BACKTRACE_TRIPLES "/tmp/v/w10/examples/CMakeLists.txt;11;add_test;/tmp/v/w10/examples/CMakeLists.txt;33;fanfare_example;/tmp/v/w10/examples/CMakeLists.txt;0;")
add_test([=[examples/10_lines agrees with wc, grep and sort]=] "/usr/bin/cmake" "-DPROGRAM=/tmp/v/w10/b/examples/10_lines" "-DFOLDER=/tmp/v/w10/b/examples/lines_results" "-P" "/tmp/v/w10/examples/lines_results_test.cmake")
set_tests_properties([=[examples/10_lines agrees with wc, grep and sort]=] PROPERTIES  LABELS "fast" TIMEOUT "120" _BACKTRACE_TRIPLES "/tmp/v/w10/examples/CMakeLists.txt;38;add_test;/tmp/v/w10/examples/CMakeLists.txt;0;")
add_test([=[examples/10_lines reports what it cannot do]=] "/usr/bin/cmake" "-DPROGRAM=/tmp/v/w10/b/examples/10_lines" "-DFOLDER=/tmp/v/w10/b/examples/lines_usage" "-P" "/tmp/v/w10/examples/lines_usage_test.cmake")
set_tests_properties([=[examples/10_lines reports what it cannot do]=] PROPERTIES  LABELS "fast" TIMEOUT "120" _BACKTRACE_TRIPLES "/tmp/v/w10/examples/CMakeLists.txt;43;add_test;/tmp/v/w10/examples/CMakeLists.txt;0;")
add_test([=[examples/10_lines is interrupted]=] "/tmp/v/w10/b/examples/lines_signals_test" "/tmp/v/w10/b/examples/10_lines")
set_tests_properties([=[examples/10_lines is interrupted]=] PROPERTIES  LABELS "fast" TIMEOUT "120" _BACKTRACE_TRIPLES "/tmp/v/w10/examples/CMakeLists.txt;51;add_test;/tmp/v/w10/examples/CMakeLists.txt;0;")
