// SPDX-License-Identifier: MIT

package scenarios

import (
	"fmt"
	"sync"
	"time"

	. "fanfare_rivals/harness"
)

// Full returns the cases W17 to W19, for channels in a loop.
func Full() []Case {
	var cases []Case
	add := func(run func(int) Outcome, format string, arguments ...any) {
		name := fmt.Sprintf(format, arguments...)
		cases = append(cases, Case{Name: name, Run: run})
	}
	for _, capacity := range []int{1, 64} {
		for _, n := range []int{10, 100} {
			capacity, n := capacity, n
			add(func(i int) Outcome { return dropOldest(n, capacity, i) },
				"W17_DropOldest/capacity:%d/subscribers:%d", capacity, n)
		}
	}
	for _, n := range []int{1, 10, 100} {
		n := n
		add(func(i int) Outcome { return setLatest(n, i) },
			"W18_SetLatest/subscribers:%d", n)
	}
	add(replay, "W19_Replay")
	return cases
}

// sendDropOldest takes the oldest value out while there is no room.
func sendDropOldest(channel chan Word, value Word) {
	for {
		select {
		case channel <- value:
			return
		default:
		}
		select {
		case <-channel:
		default:
		}
	}
}

func makeChannels(n, capacity int) []chan Word {
	channels := make([]chan Word, n)
	for i := range channels {
		channels[i] = make(chan Word, capacity)
	}
	return channels
}

// dropOldest is W17: fills all channels, and sends without a receive. Then each
// channel has the latest values, and no others.
func dropOldest(n, capacity, sends int) Outcome {
	channels := makeChannels(n, capacity)
	number := uint64(0)
	send := func(count int) {
		for i := 0; i < count; i++ {
			for _, channel := range channels {
				sendDropOldest(channel, Word{number})
			}
			number++
		}
	}
	send(capacity)
	start := time.Now()
	send(sends)
	elapsed := time.Since(start)
	for _, channel := range channels {
		Expect(uint64(len(channel)), uint64(capacity))
		for i := number - uint64(capacity); i < number; i++ {
			Expect((<-channel).number, i)
		}
	}
	return Outcome{Elapsed: elapsed, Operations: sends * n}
}

// setLatest is W18: a channel of capacity 1 for each subscriber. It times the
// writer; each subscriber sees ever later values, and the last one.
func setLatest(n, sets int) Outcome {
	last := uint64(sets)
	channels := makeChannels(n, 1)
	var ready, done sync.WaitGroup
	ready.Add(n)
	done.Add(n)
	for _, channel := range channels {
		channel := channel
		go func() {
			ready.Done()
			for seen := uint64(0); seen < last; {
				next := (<-channel).number
				if next <= seen || next > last {
					Fail("received %d after %d", next, seen)
				}
				seen = next
			}
			done.Done()
		}()
	}
	ready.Wait()
	start := time.Now()
	for number := uint64(1); number <= last; number++ {
		for _, channel := range channels {
			sendDropOldest(channel, Word{number})
		}
	}
	elapsed := time.Since(start)
	done.Wait()
	return Outcome{Elapsed: elapsed, Operations: sets}
}

// replay is W19: a channel gets the values that a feed has kept, comes and
// goes.
func replay(pairs int) Outcome {
	const kept = 16
	var mu sync.Mutex
	var history []Word
	var channels []chan Word
	for number := uint64(0); number < kept; number++ {
		history = append(history, Word{number})
	}
	channel := make(chan Word, kept)
	start := time.Now()
	for i := 0; i < pairs; i++ {
		mu.Lock()
		for _, word := range history {
			channel <- word
		}
		channels = append(channels, channel)
		mu.Unlock()
		for number := uint64(0); number < kept; number++ {
			Expect((<-channel).number, number)
		}
		mu.Lock()
		for i, one := range channels {
			if one == channel {
				channels = append(channels[:i], channels[i+1:]...)
				break
			}
		}
		mu.Unlock()
	}
	return Outcome{Elapsed: time.Since(start), Operations: pairs}
}
