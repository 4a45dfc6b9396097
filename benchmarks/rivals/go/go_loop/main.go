// SPDX-License-Identifier: MIT

// go_loop sends to a slice of channels in a loop, as people write it by hand.
package main

import (
	"sync"

	"fanfare_rivals/harness"
	"fanfare_rivals/scenarios"
)

type feed[T any] struct {
	mu       sync.Mutex // of Subscribe and Unsubscribe
	channels []chan T
}

func (f *feed[T]) Subscribe(channel chan T) scenarios.Subscription {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.channels = append(f.channels, channel)
	return &subscription[T]{f, channel}
}

func (f *feed[T]) Send(value T) {
	for _, channel := range f.channels {
		channel <- value
	}
}

type subscription[T any] struct {
	feed    *feed[T]
	channel chan T
}

func (s *subscription[T]) Unsubscribe() {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	channels := s.feed.channels
	for i, channel := range channels {
		if channel == s.channel {
			s.feed.channels = append(channels[:i], channels[i+1:]...)
			return
		}
	}
}

func newFeed[T any]() scenarios.Feed[T] { return &feed[T]{} }

func main() {
	cases := scenarios.All(scenarios.Rival{
		Words:     newFeed[scenarios.Word],
		Kilobytes: newFeed[scenarios.Kilobyte],
		Events:    newFeed[scenarios.Event],
		Stamped:   newFeed[scenarios.Stamped],
		NeedsLock: true,
		MaxLag:    100_000,
	})
	cases = append(cases, scenarios.Channels()...)
	harness.Main(append(cases, scenarios.Full()...))
}
