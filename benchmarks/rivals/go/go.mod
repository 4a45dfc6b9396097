// SPDX-License-Identifier: MIT

module fanfare_rivals

go 1.19

// go_feed needs github.com/ethereum/go-ethereum/event, too. run.py builds it
// with a go.mod of its own (-modfile) that points to a local copy.
