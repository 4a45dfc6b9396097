// SPDX-License-Identifier: MIT

// Package harness runs one named case and prints what it took, as Google
// Benchmark would.
//
// Only three of Google Benchmark's options are known: --benchmark_filter,
// --benchmark_min_time and --benchmark_list_tests. The filter has to be a whole
// name, with or without ^ and $.
package harness

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Outcome is what so many iterations of a case took.
type Outcome struct {
	// Elapsed is the time that counts.
	Elapsed time.Duration
	// Operations is how many deliveries, round trips or rounds share it.
	Operations int
	// Latencies are in the order of time; nil where none are taken.
	Latencies []time.Duration
	// Processor is the processor time that the process used, where that is of
	// interest.
	Processor time.Duration
	// Bytes is set where memory is measured instead of time.
	Bytes float64
}

// Case is a scenario with its arguments.
type Case struct {
	Name string
	Run  func(iterations int) Outcome
}

// Fail ends the program with an error: a value was lost, doubled or torn.
func Fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}

// Expect ends the program with an error unless the two are the same.
func Expect(received, expected uint64) {
	if received != expected {
		Fail("received %d instead of %d", received, expected)
	}
}

// ProcessorTime returns the processor time that the process has used so far.
func ProcessorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		Fail("%v", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Main does what the command line asks for.
func Main(cases []Case) {
	list := flag.Bool("benchmark_list_tests", false, "print all names")
	filter := flag.String("benchmark_filter", "", "the case to run")
	minTime := flag.String("benchmark_min_time", "0.1", "in seconds")
	flag.String("benchmark_format", "json", "only json is known")
	flag.Parse()

	if *list {
		for _, c := range cases {
			fmt.Println(c.Name)
		}
		return
	}
	seconds, err := strconv.ParseFloat(strings.TrimSuffix(*minTime, "s"), 64)
	if err != nil {
		Fail("not a number of seconds: %s", *minTime)
	}
	name := strings.TrimSuffix(strings.TrimPrefix(*filter, "^"), "$")
	for _, c := range cases {
		if c.Name == name {
			print(c, time.Duration(seconds*float64(time.Second)))
			return
		}
	}
	Fail("no such case: %s", name)
}

type entry struct {
	Name       string        `json:"name"`
	Iterations int           `json:"iterations"`
	Ns         float64       `json:"ns,omitempty"`
	Bytes      float64       `json:"bytes,omitempty"`
	Processor  float64       `json:"cpu,omitempty"`
	P50        time.Duration `json:"p50,omitempty"`
	P99        time.Duration `json:"p99,omitempty"`
	P999       time.Duration `json:"p999,omitempty"`
}

func print(c Case, minTime time.Duration) {
	iterations, outcome := runLongEnough(c, minTime)
	e := entry{Name: c.Name, Iterations: iterations, Bytes: outcome.Bytes}
	if outcome.Operations > 0 {
		operations := float64(outcome.Operations)
		e.Ns = float64(outcome.Elapsed.Nanoseconds()) / operations
		e.Processor = float64(outcome.Processor.Nanoseconds()) / operations
	}
	if all := outcome.Latencies; all != nil {
		e.P99 = usual99th(all)
		e.P50, e.P999 = quantile(all, 0.5), quantile(all, 0.999)
	}
	report := map[string][]entry{"benchmarks": {e}}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		Fail("%v", err)
	}
}

// usual99th returns the 99th percentile of a hundred latencies that follow each
// other, as the median of all hundreds. A machine that stops a thread for a
// millisecond delays all events of that time, and these few hundreds do not
// count.
func usual99th(latencies []time.Duration) time.Duration {
	hundred := 100
	if len(latencies) < hundred {
		hundred = len(latencies)
	}
	var all []time.Duration
	for rest := latencies; len(rest) >= hundred; rest = rest[hundred:] {
		one := append([]time.Duration(nil), rest[:hundred]...)
		all = append(all, quantile(one, 0.99))
	}
	return quantile(all, 0.5)
}

// quantile sorts the latencies.
func quantile(latencies []time.Duration, part float64) time.Duration {
	sort.Slice(latencies, func(i, j int) bool {
		return latencies[i] < latencies[j]
	})
	return latencies[int(float64(len(latencies)-1)*part)]
}

// runLongEnough runs the case with more and more iterations until they take
// minTime.
//
// A few iterations that happen to take long, because a thousand consumers are
// only just starting, are not enough. What is not timed counts a tenth.
func runLongEnough(c Case, minTime time.Duration) (int, Outcome) {
	for iterations := 1; ; {
		start := time.Now()
		outcome := c.Run(iterations)
		spent := outcome.Elapsed
		if all := time.Since(start) / 10; all > spent {
			spent = all
		}
		few := iterations < 100 && spent < 5*minTime
		enough := spent >= minTime && !few
		if enough || iterations > 1_000_000_000 || outcome.Bytes > 0 {
			return iterations, outcome
		}
		ratio := 1.4 * float64(minTime) / float64(spent)
		if ratio < 2 {
			ratio = 2
		} else if ratio > 10 {
			ratio = 10
		}
		iterations = int(float64(iterations) * ratio)
	}
}
