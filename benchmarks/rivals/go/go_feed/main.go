// SPDX-License-Identifier: MIT

// go_feed sends with go-ethereum's event.FeedOf.
package main

import (
	"fanfare_rivals/harness"
	"fanfare_rivals/scenarios"

	"github.com/ethereum/go-ethereum/event"
)

type feed[T any] struct{ event.FeedOf[T] }

func (f *feed[T]) Subscribe(channel chan T) scenarios.Subscription {
	return f.FeedOf.Subscribe(channel)
}

func (f *feed[T]) Send(value T) { f.FeedOf.Send(value) }

func newFeed[T any]() scenarios.Feed[T] { return &feed[T]{} }

func main() {
	harness.Main(scenarios.All(scenarios.Rival{
		Words:     newFeed[scenarios.Word],
		Kilobytes: newFeed[scenarios.Kilobyte],
		Events:    newFeed[scenarios.Event],
		Stamped:   newFeed[scenarios.Stamped],
		AnyOrder:  true,
		// FeedOf is quadratic here: 10,000 would take minutes, and 100,000
		// panic, because reflect.Select takes at most 65,536 cases.
		MaxLag: 1000,
	}))
}
