// SPDX-License-Identifier: MIT

// Package scenarios has the scenarios over any feed of Go channels.
package scenarios

import (
	"fmt"
	"math/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	. "fanfare_rivals/harness"
)

// Word is a value with a number to check.
type Word struct{ number uint64 }

// Kilobyte is a value of 1 KiB with the number at both ends.
type Kilobyte struct{ words [128]uint64 }

// Event wants to be acknowledged.
type Event struct {
	number      uint64
	acknowledge chan uint64
}

// Stamped is a number with the time at which it was sent.
type Stamped struct {
	number uint64
	sent   time.Duration
}

// Subscription ends when it is unsubscribed.
type Subscription interface{ Unsubscribe() }

// Feed sends each value to all subscribed channels.
type Feed[T any] interface {
	Subscribe(channel chan T) Subscription
	Send(value T)
}

// Rival is what an adapter has to provide.
type Rival struct {
	Words     func() Feed[Word]
	Kilobytes func() Feed[Kilobyte]
	Events    func() Feed[Event]
	Stamped   func() Feed[Stamped]
	// NeedsLock: only one goroutine may send at a time.
	NeedsLock bool
	// AnyOrder: a Send that is blocked sees which channel is ready, and when
	// one is unsubscribed.
	AnyOrder bool
	// MaxLag is the largest number of subscribers that W9 makes sense for.
	MaxLag int
}

// All returns all the cases that a rival can do.
func All(r Rival) []Case {
	var cases []Case
	add := func(run func(int) Outcome, format string, arguments ...any) {
		name := fmt.Sprintf(format, arguments...)
		cases = append(cases, Case{Name: name, Run: run})
	}
	for _, n := range []int{1, 10, 100, 1000} {
		n := n
		add(func(i int) Outcome { return sends(r, n, i)[0] },
			"W1_Send/subscribers:%d", n)
		add(func(i int) Outcome { return sends(r, n, i)[1] },
			"W1_Drain/subscribers:%d", n)
	}
	for _, s := range streams() {
		capacity, n := s[0], s[1]
		add(func(i int) Outcome { return stream(r, n, capacity, i) },
			"W2_Stream/capacity:%d/subscribers:%d", capacity, n)
		if capacity != 128 {
			continue
		}
		add(func(i int) Outcome { return streamLatency(r, n, capacity, i) },
			"W2_StreamLatency/capacity:%d/subscribers:%d", capacity, n)
	}
	for _, n := range []int{1, 10, 100, 1000} {
		n := n
		add(func(i int) Outcome { return stream(r, n, 0, i) },
			"W3_Rendezvous/subscribers:%d", n)
	}
	for _, capacity := range []int{0, 1} {
		capacity := capacity
		add(func(i int) Outcome { return roundTrip(r, capacity, i, false) },
			"W4_RoundTrip/capacity:%d", capacity)
		add(func(i int) Outcome { return roundTrip(r, capacity, i, true) },
			"W4_RoundTripLatency/capacity:%d", capacity)
	}
	add(func(i int) Outcome { return acknowledged(r, i) }, "W5_Acknowledged")
	add(func(i int) Outcome { return fourSenders(r, i) }, "W6_FourSenders")
	for _, others := range []int{0, 100, 10_000, 100_000} {
		others := others
		add(func(i int) Outcome { return subscribe(r, others, i) },
			"W7_Subscribe/others:%d", others)
	}
	if r.AnyOrder {
		add(func(i int) Outcome { return unsubscribeBlocked(r, i) },
			"W7_UnsubscribeBlocked")
	}
	for _, capacity := range []int{128, 1024} {
		capacity := capacity
		add(func(i int) Outcome { return kilobytes(r, capacity, i) },
			"W8_Kilobyte/capacity:%d", capacity)
	}
	for n := 10; n <= r.MaxLag; n *= 10 {
		n := n
		add(func(i int) Outcome { return lag(r, n, i, false) },
			"W9_Lag/subscribers:%d", n)
		if r.AnyOrder {
			add(func(i int) Outcome { return lag(r, n, i, true) },
				"W9_LagOneByOne/subscribers:%d", n)
		}
	}
	for _, capacity := range []int{1, 128} {
		capacity := capacity
		add(func(int) Outcome { return memory(r, capacity) },
			"W10_Memory/capacity:%d", capacity)
	}
	for _, p := range paces() {
		every, work := p[0], p[1]
		add(func(i int) Outcome { return paced(r, every, work, i) },
			"W14_Paced/every_ns:%d/work_ns:%d", every, work)
	}
	add(func(i int) Outcome { return feedsInTurn(r, i) }, "W16_FeedsInTurn")
	add(func(i int) Outcome { return feedsAtOnce(r, i) }, "W16_FeedsAtOnce")
	return cases
}

// paces returns the pairs of an interval and the work for each event that
// leave a consumer time to keep up.
func paces() [][2]time.Duration {
	var all [][2]time.Duration
	for _, every := range []time.Duration{200, 1000, 5000, 20_000, 100_000} {
		for _, work := range []time.Duration{0, 700, 4000} {
			if work < every {
				all = append(all, [2]time.Duration{every, work})
			}
		}
	}
	return all
}

// streams returns the pairs of capacity and number of subscribers.
func streams() [][2]int {
	var all [][2]int
	for _, capacity := range []int{128, 1024} {
		for _, n := range []int{1, 10, 100, 1000} {
			all = append(all, [2]int{capacity, n})
		}
	}
	// What the Go package measures itself by.
	return append(all, [2]int{200, 1000})
}

// open subscribes n new channels.
func open[T any](feed Feed[T], n, capacity int) []chan T {
	channels := make([]chan T, n)
	for i := range channels {
		channels[i] = make(chan T, capacity)
		feed.Subscribe(channels[i])
	}
	return channels
}

// sends is W1: fills all channels and drains them, each part timed alone.
func sends(r Rival, n, batches int) [2]Outcome {
	const batch = 128
	feed := r.Words()
	channels := open(feed, n, batch)
	var sent, drained Outcome
	for b := 0; b <= batches; b++ {
		first := uint64(b * batch)
		start := time.Now()
		for number := first; number < first+batch; number++ {
			feed.Send(Word{number})
		}
		full := time.Now()
		for _, channel := range channels {
			for number := first; number < first+batch; number++ {
				Expect((<-channel).number, number)
			}
		}
		// The first one touches all memory, it does not count.
		if b > 0 {
			sent.Elapsed += full.Sub(start)
			drained.Elapsed += time.Since(full)
		}
	}
	sent.Operations = batches * batch * n
	drained.Operations = sent.Operations
	return [2]Outcome{sent, drained}
}

// timed starts a goroutine for each channel and times send until all are
// through.
func timed[T any](channels []chan T, consume func(chan T),
	send func()) time.Duration {
	var ready, done sync.WaitGroup
	ready.Add(len(channels))
	done.Add(len(channels))
	for _, channel := range channels {
		channel := channel
		go func() {
			ready.Done()
			consume(channel)
			done.Done()
		}()
	}
	ready.Wait()
	start := time.Now()
	send()
	done.Wait()
	return time.Since(start)
}

// stream is W2 and W3: one sender, n consumers.
func stream(r Rival, n, capacity, values int) Outcome {
	feed := r.Words()
	consume := func(channel chan Word) {
		for number := uint64(0); number < uint64(values); number++ {
			Expect((<-channel).number, number)
		}
	}
	elapsed := timed(open(feed, n, capacity), consume, func() {
		for number := uint64(0); number < uint64(values); number++ {
			feed.Send(Word{number})
		}
	})
	return Outcome{Elapsed: elapsed, Operations: values * n}
}

// streamLatency is W2 with the latency of every 64th value.
func streamLatency(r Rival, n, capacity, values int) Outcome {
	const every = 64
	feed := r.Words()
	sentAt := make([]time.Time, (values+every-1)/every)
	var mu sync.Mutex
	var all []time.Duration

	consume := func(channel chan Word) {
		latencies := make([]time.Duration, 0, len(sentAt))
		for number := 0; number < values; number++ {
			Expect((<-channel).number, uint64(number))
			if number%every == 0 {
				latencies = append(latencies, time.Since(sentAt[number/every]))
			}
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, latencies...)
	}
	elapsed := timed(open(feed, n, capacity), consume, func() {
		for number := 0; number < values; number++ {
			if number%every == 0 {
				sentAt[number/every] = time.Now()
			}
			feed.Send(Word{uint64(number)})
		}
	})
	return Outcome{Elapsed: elapsed, Operations: values * n, Latencies: all}
}

// roundTrip is W4: one event out, one reply back through a plain channel.
func roundTrip(r Rival, capacity, rounds int, withLatency bool) Outcome {
	feed := r.Words()
	replies := make(chan Word, capacity)
	consume := func(channel chan Word) {
		for number := uint64(0); number < uint64(rounds); number++ {
			word := <-channel
			Expect(word.number, number)
			replies <- word
		}
	}
	var latencies []time.Duration
	if withLatency {
		latencies = make([]time.Duration, 0, rounds)
	}
	elapsed := timed(open(feed, 1, capacity), consume, func() {
		last := time.Now()
		for number := uint64(0); number < uint64(rounds); number++ {
			feed.Send(Word{number})
			Expect((<-replies).number, number)
			if withLatency {
				now := time.Now()
				latencies = append(latencies, now.Sub(last))
				last = now
			}
		}
	})
	return Outcome{
		Elapsed: elapsed, Operations: rounds, Latencies: latencies,
	}
}

// acknowledged is W5: each event brings a new channel for the three answers.
func acknowledged(r Rival, rounds int) Outcome {
	const consumers = 3
	feed := r.Events()
	var id uint64
	consume := func(channel chan Event) {
		consumer := atomic.AddUint64(&id, 1) - 1
		for number := uint64(0); number < uint64(rounds); number++ {
			event := <-channel
			Expect(event.number, number)
			event.acknowledge <- number*consumers + consumer
		}
	}
	elapsed := timed(open(feed, consumers, 0), consume, func() {
		for number := uint64(0); number < uint64(rounds); number++ {
			acknowledge := make(chan uint64)
			feed.Send(Event{number, acknowledge})
			seen := uint64(0)
			for i := 0; i < consumers; i++ {
				answer := <-acknowledge
				Expect(answer/consumers, number)
				seen |= 1 << (answer % consumers)
			}
			Expect(seen, 1<<consumers-1)
		}
	})
	return Outcome{Elapsed: elapsed, Operations: rounds}
}

// fourSenders is W6: all channels get each sender's values in order.
func fourSenders(r Rival, valuesEach int) Outcome {
	const senders, receivers = 4, 10
	deliveries := valuesEach * senders * receivers
	feed := r.Words()
	var mu sync.Mutex
	send := func(word Word) {
		if r.NeedsLock {
			mu.Lock()
			defer mu.Unlock()
		}
		feed.Send(word)
	}
	consume := func(channel chan Word) {
		var next [senders]uint64
		for i := 0; i < valuesEach*senders; i++ {
			number := (<-channel).number
			sender := number % senders
			Expect(number/senders, next[sender])
			next[sender]++
		}
	}
	elapsed := timed(open(feed, receivers, 128), consume, func() {
		for sender := uint64(0); sender < senders; sender++ {
			sender := sender
			go func() {
				for number := uint64(0); number < uint64(valuesEach); number++ {
					send(Word{number*senders + sender})
				}
			}()
		}
	})
	return Outcome{Elapsed: elapsed, Operations: deliveries}
}

// subscribe is W7: one more channel comes and goes. Nothing is sent meanwhile:
// to FeedOf the others are new, too, and it scans them all, as it does with
// those that have been there for a Send.
func subscribe(r Rival, others, pairs int) Outcome {
	feed := r.Words()
	open(feed, others, 1)
	channel := make(chan Word, 1)
	start := time.Now()
	for i := 0; i < pairs; i++ {
		feed.Subscribe(channel).Unsubscribe()
	}
	return Outcome{Elapsed: time.Since(start), Operations: pairs}
}

// unsubscribeBlocked is W7: from Unsubscribe until a blocked Send has returned.
func unsubscribeBlocked(r Rival, rounds int) Outcome {
	feed := r.Words()
	var started, returned int64
	commands := make(chan uint64)
	go func() {
		for number := range commands {
			atomic.AddInt64(&started, 1)
			feed.Send(Word{number})
			atomic.AddInt64(&returned, 1)
		}
	}()
	var elapsed time.Duration
	full := make(chan Word, 1)
	full <- Word{0}
	for round := int64(1); round <= int64(rounds); round++ {
		subscription := feed.Subscribe(full)
		commands <- uint64(round)
		waitFor(&started, round)
		letBlock(1)
		start := time.Now()
		subscription.Unsubscribe()
		waitFor(&returned, round)
		elapsed += time.Since(start)
	}
	close(commands)
	Expect((<-full).number, 0)
	Expect(uint64(len(full)), 0)
	return Outcome{Elapsed: elapsed, Operations: rounds}
}

// kilobytes is W8: W2 with larger values.
func kilobytes(r Rival, capacity, values int) Outcome {
	const n = 10
	feed := r.Kilobytes()
	consume := func(channel chan Kilobyte) {
		for number := uint64(0); number < uint64(values); number++ {
			kilobyte := <-channel
			Expect(kilobyte.words[0], number)
			Expect(kilobyte.words[127], number)
		}
	}
	elapsed := timed(open(feed, n, capacity), consume, func() {
		for number := uint64(0); number < uint64(values); number++ {
			var kilobyte Kilobyte
			kilobyte.words[0], kilobyte.words[127] = number, number
			feed.Send(kilobyte)
		}
	})
	return Outcome{Elapsed: elapsed, Operations: values * n}
}

// lag is W9: a Send is blocked on full channels; room is made in one after the
// other, in random order. With oneByOne each room is taken before there is the
// next one, so that the Send cannot catch up with many at a time.
func lag(r Rival, n, rounds int, oneByOne bool) Outcome {
	feed := r.Words()
	channels := open(feed, n, 1)
	feed.Send(Word{0})
	order := rand.New(rand.NewSource(1)).Perm(n)
	var started, returned int64
	go func() {
		for round := int64(1); round <= int64(rounds); round++ {
			atomic.StoreInt64(&started, round)
			feed.Send(Word{uint64(round)})
			atomic.StoreInt64(&returned, round)
		}
	}()
	var elapsed time.Duration
	for round := 1; round <= rounds; round++ {
		waitFor(&started, int64(round))
		letBlock(n)
		start := time.Now()
		for _, i := range order {
			Expect((<-channels[i]).number, uint64(round-1))
			for oneByOne && len(channels[i]) == 0 {
				runtime.Gosched()
			}
		}
		waitFor(&returned, int64(round))
		elapsed += time.Since(start)
	}
	for _, channel := range channels {
		Expect((<-channel).number, uint64(rounds))
	}
	return Outcome{Elapsed: elapsed, Operations: rounds * n}
}

func waitFor(counter *int64, value int64) {
	for atomic.LoadInt64(counter) < value {
		runtime.Gosched()
	}
}

// letBlock gives a Send the time to block on n channels: nobody can see when
// it has.
func letBlock(n int) {
	enough := 20*time.Microsecond + time.Duration(n)*300
	for start := time.Now(); time.Since(start) < enough; {
		runtime.Gosched()
	}
}

// memory is W10: bytes of a subscription with its channel, once that has been
// full.
func memory(r Rival, capacity int) Outcome {
	const n = 1000
	channels := make([]chan Word, n)
	subscriptions := make([]Subscription, n)
	before := heap()
	feed := r.Words()
	for i := range channels {
		channels[i] = make(chan Word, capacity)
		subscriptions[i] = feed.Subscribe(channels[i])
	}
	for number := 0; number < capacity; number++ {
		feed.Send(Word{uint64(number)})
	}
	bytes := float64(heap()-before) / n
	runtime.KeepAlive(subscriptions)
	runtime.KeepAlive(feed)
	return Outcome{Bytes: bytes}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// paced is W14: an event at every interval, each with some work. An event that
// comes late moves those after it.
func paced(r Rival, every, work time.Duration, values int) Outcome {
	feed := r.Stamped()
	epoch := time.Now()
	spinUntil := func(moment time.Duration) time.Duration {
		for {
			if now := time.Since(epoch); now >= moment {
				return now
			}
		}
	}
	latencies := make([]time.Duration, values)
	for i := range latencies {
		latencies[i] = -1 // so that no page is missing later
	}
	consume := func(channel chan Stamped) {
		for number := range latencies {
			value := <-channel
			received := time.Since(epoch)
			Expect(value.number, uint64(number))
			latencies[number] = received - value.sent
			if work > 0 {
				spinUntil(received + work)
			}
		}
	}
	before := ProcessorTime()
	elapsed := timed(open(feed, 1, 128), consume, func() {
		due := time.Since(epoch)
		for number := uint64(0); number < uint64(values); number++ {
			now := spinUntil(due)
			feed.Send(Stamped{number, now})
			due = now + every
		}
	})
	return Outcome{
		Elapsed: elapsed, Operations: values, Latencies: latencies,
		Processor: ProcessorTime() - before,
	}
}

// As many senders as W16 has: four feeds and one without a feed.
const senders = 5

// junction opens a channel; it returns it with what sends to it.
func junction(r Rival) (chan Word, [senders]func(Word)) {
	channel := make(chan Word, 128)
	var send [senders]func(Word)
	for i := 0; i < senders-1; i++ {
		feed := r.Words()
		feed.Subscribe(channel)
		send[i] = feed.Send
	}
	send[senders-1] = func(word Word) { channel <- word }
	return channel, send
}

// feedsInTurn is W16 in one goroutine: all senders take turns, and when the
// channel is nearly full, all is received.
func feedsInTurn(r Rival, count int) Outcome {
	const turns = 128 / senders
	channel, send := junction(r)
	var sent, received uint64
	start := time.Now()
	for i := 0; i < count; i++ {
		for turn := 0; turn < turns; turn++ {
			for _, send := range send {
				send(Word{sent})
				sent++
			}
		}
		for ; received < sent; received++ {
			Expect((<-channel).number, received)
		}
	}
	return Outcome{Elapsed: time.Since(start), Operations: int(sent)}
}

// feedsAtOnce is W16 with a goroutine for each sender; the values of each come
// in order.
func feedsAtOnce(r Rival, valuesEach int) Outcome {
	channel, send := junction(r)
	run := make(chan struct{})
	var ready sync.WaitGroup
	ready.Add(senders)
	for sender, send := range send {
		sender, send := uint64(sender), send
		go func() {
			ready.Done()
			<-run
			for number := uint64(0); number < uint64(valuesEach); number++ {
				send(Word{number*senders + sender})
			}
		}()
	}
	ready.Wait()
	start := time.Now()
	close(run)
	var next [senders]uint64
	for i := 0; i < valuesEach*senders; i++ {
		number := (<-channel).number
		Expect(number/senders, next[number%senders])
		next[number%senders]++
	}
	return Outcome{
		Elapsed: time.Since(start), Operations: valuesEach * senders,
	}
}

// Channels returns the cases that need a channel and no feed: W13 and W15.
func Channels() []Case {
	var cases []Case
	for _, burst := range []int{1, 2, 10, 100} {
		burst := burst
		cases = append(cases, Case{
			Name: fmt.Sprintf("W13_Bursts/burst:%d", burst),
			Run:  func(i int) Outcome { return bursts(burst, i) },
		})
	}
	return append(cases,
		Case{Name: "W15_Receive", Run: receiveOne},
		Case{Name: "W15_TryReceive", Run: tryReceiveOne})
}

// bursts is W13: a goroutine sends a burst, receives it, and starts again.
func bursts(burst, count int) Outcome {
	channel := make(chan Word, 128)
	var sent, received uint64
	start := time.Now()
	for i := 0; i < count; i++ {
		for j := 0; j < burst; j++ {
			channel <- Word{sent}
			sent++
		}
		for j := 0; j < burst; j++ {
			Expect((<-channel).number, received)
			received++
		}
	}
	return Outcome{Elapsed: time.Since(start), Operations: int(sent)}
}

// receiveOne is W15: a value is sent and received.
func receiveOne(values int) Outcome {
	channel := make(chan Word, 128)
	start := time.Now()
	for number := uint64(0); number < uint64(values); number++ {
		channel <- Word{number}
		Expect((<-channel).number, number)
	}
	return Outcome{Elapsed: time.Since(start), Operations: values}
}

// tryReceiveOne is W15 with a receive that does not block.
func tryReceiveOne(values int) Outcome {
	channel := make(chan Word, 128)
	start := time.Now()
	for number := uint64(0); number < uint64(values); number++ {
		channel <- Word{number}
		select {
		case word := <-channel:
			Expect(word.number, number)
		default:
			Fail("the channel is empty")
		}
	}
	return Outcome{Elapsed: time.Since(start), Operations: values}
}
