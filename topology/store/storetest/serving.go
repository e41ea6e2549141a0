package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

// await takes from a watch until it gives the revision; it may skip some before.
func await(t *testing.T, watch <-chan topology.Revision, want topology.Revision) {
	t.Helper()
	ctx := deadline(t)
	last := topology.Revision(0)
	for {
		select {
		case rev, open := <-watch:
			if !open {
				t.Fatalf("the watch ended before it told of revision %d", want)
			}
			if rev <= last {
				t.Fatalf("the watch told of revision %d after %d", rev, last)
			}
			if last = rev; rev == want {
				return
			}
		case <-ctx.Done():
			t.Fatalf("nobody told of revision %d", want)
		}
	}
}

// ends makes sure that a watch is closed, whatever is still in it.
func ends(t *testing.T, watch <-chan topology.Revision) {
	t.Helper()
	ctx := deadline(t)
	for {
		select {
		case _, open := <-watch:
			if !open {
				return
			}
		case <-ctx.Done():
			t.Fatal("the watch was not closed")
		}
	}
}

func testWatch(s *subject) {
	t := s.t
	s.open()
	rng := rand.New(rand.NewPCG(5, 5))
	s.commit(Delta(rng, s.newest(), 20))
	ctx, cancel := context.WithCancel(deadline(t))
	first, second := s.store.Watch(ctx), s.store.Watch(deadline(t))
	for i := range 5 {
		s.commit(Delta(rng, s.newest(), 20))
		await(t, first, topology.Revision(i+2))
	}
	cancel()
	ends(t, first)
	s.commit(Delta(rng, s.newest(), 20))
	await(t, second, 7)
	ends(t, s.store.Watch(ctx))
	s.close()
	ends(t, second)
	ends(t, s.store.Watch(deadline(t)))
}

func testSlowWatcher(s *subject) {
	t := s.t
	s.open()
	rng := rand.New(rand.NewPCG(6, 6))
	watch := s.store.Watch(deadline(t))
	for range 50 { // nobody reads: commits do not wait for that
		s.commit(Delta(rng, s.newest(), 5))
	}
	await(t, watch, 50)
	select {
	case rev := <-watch:
		t.Errorf("after the newest revision the watch told of %d", rev)
	default:
	}
	s.close()
}

func (s *subject) prune(before time.Time, oldest topology.Revision) {
	s.t.Helper()
	want := int(oldest - s.oldest)
	if n, err := s.store.Prune(deadline(s.t), before); n != want || err != nil {
		s.t.Fatalf("prune gives %d, %v; want %d", n, err, want)
	}
	s.oldest = oldest
	s.check(s.store)
}

func testPrune(s *subject) {
	t := s.t
	s.open()
	rng := rand.New(rand.NewPCG(7, 7))
	for range 20 {
		s.commit(Delta(rng, s.newest(), 300))
	}
	at := func(rev topology.Revision) time.Time { return s.want[rev].Time() }
	s.prune(at(1).Add(-time.Hour), 1)
	s.prune(at(8), 8)
	s.reopen()
	s.check(s.store)
	s.prune(at(8), 8)
	s.prune(at(12).Add(-time.Millisecond), 11)
	if _, err := store.At(deadline(t), s.store, at(11).Add(-time.Millisecond)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("before the oldest: error is %v, want ErrNotFound", err)
	}
	s.commit(Delta(rng, s.newest(), 300))
	s.prune(at(21).Add(time.Hour), 21)
	s.reopen()
	s.check(s.store)
	s.commit(Delta(rng, s.newest(), 300))
	s.reopen()
	s.check(s.store)
	s.close()
}

// testPruneRandom prunes here and there among commits, so that what is dropped meets what later revisions need.
func testPruneRandom(s *subject) {
	s.open()
	rng := rand.New(rand.NewPCG(8, 8))
	for i := range 60 {
		s.commit(Delta(rng, s.newest(), 400))
		if rng.IntN(5) == 0 {
			oldest := s.oldest + topology.Revision(rng.IntN(len(s.want)-int(s.oldest)))
			for int(oldest)+1 < len(s.want) && s.want[oldest+1].Time().Equal(s.want[oldest].Time()) {
				oldest++
			}
			s.prune(s.want[oldest].Time(), oldest)
		}
		if i%15 == 7 {
			s.reopen()
			s.check(s.store)
		}
	}
	s.check(s.store)
	s.close()
}

func testClosed(s *subject) {
	t := s.t
	s.open()
	rng := rand.New(rand.NewPCG(9, 9))
	d := Delta(rng, s.newest(), 20)
	s.commit(d)
	s.close()
	ctx := deadline(t)
	for name, call := range map[string]func() error{
		"snapshot":  func() error { _, err := s.store.Snapshot(ctx, 0); return err },
		"revisions": func() error { _, err := s.store.Revisions(ctx, time.Time{}); return err },
		"commit":    func() error { _, err := s.store.Commit(ctx, 1, d); return err },
		"prune":     func() error { _, err := s.store.Prune(ctx, Start()); return err },
		"close":     func() error { return s.store.Close() },
		"at":        func() error { _, err := store.At(ctx, s.store, Start()); return err },
	} {
		if err := call(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: error is %v, want ErrClosed", name, err)
		}
	}
}

// testSecondWriter opens a persistent store twice. One that is not cannot be meant by two.
func testSecondWriter(s *subject) {
	t := s.t
	s.open()
	s.commit(Delta(rand.New(rand.NewPCG(10, 10)), s.newest(), 20))
	if s.h.Persistent {
		second, err := s.h.Open()
		if err == nil {
			t.Fatalf("a second writer was let in; closing it: %v", second.Close())
		}
		if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
			t.Errorf("error is %q, want ErrLocked and the number of this process", err)
		}
	}
	s.check(s.store)
	s.reopen()
	s.check(s.store)
	s.close()
}

func testReadOnly(s *subject) {
	t := s.t
	s.open()
	rng := rand.New(rand.NewPCG(11, 11))
	s.commit(Delta(rng, s.newest(), 50))
	d := Delta(rng, s.newest(), 50)
	s.close()
	if s.h.OpenReader == nil {
		return
	}
	r, err := s.h.OpenReader()
	if err != nil {
		t.Fatal(err)
	}
	s.check(r)
	if _, err := r.Commit(deadline(t), 1, d); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("commit: error is %v, want ErrReadOnly", err)
	}
	if _, err := r.Prune(deadline(t), d.Time); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("prune: error is %v, want ErrReadOnly", err)
	}
	s.open() // a writer beside a reader
	s.commit(d)
	s.check(r)
	s.close()
	s.check(r)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// testReaderBesideWriter follows a writer through commits and prunes, as another process does.
func testReaderBesideWriter(s *subject) {
	t := s.t
	s.open()
	if s.h.OpenReader == nil {
		s.close()
		return
	}
	rng := rand.New(rand.NewPCG(12, 12))
	r, err := s.h.OpenReader()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(deadline(t))
	watch, other := r.Watch(ctx), r.Watch(deadline(t))
	for range 6 {
		for range 4 {
			s.commit(Delta(rng, s.newest(), 300))
		}
		await(t, watch, s.newest().Revision())
		s.check(r)
		for range 3 {
			s.commit(Delta(rng, s.newest(), 300))
		}
		s.prune(s.newest().Time(), s.newest().Revision()) // what the reader saw last is gone
		s.check(r)
	}
	cancel()
	ends(t, watch)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	ends(t, other)
	s.close()
}
