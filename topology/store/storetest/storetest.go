// Package storetest proves that a store keeps its contract: one suite for all of them. What it compares with is topology's own Apply on
// the same deltas.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

// Harness is one store under test, empty at first.
type Harness struct {
	// Open opens it for writing. Where it is persistent it is opened again after Close, and holds what it held.
	Open func() (store.Store, error)
	// OpenReader opens it for reading only, beside whoever writes it. Nil if it is not persistent.
	OpenReader func() (store.Store, error)
	// Persistent tells that it outlives Close. It is the only difference that the suite knows.
	Persistent bool
}

// Run runs the suite. Each test asks for a harness of its own, and closes what it opened.
func Run(t *testing.T, harness func(t *testing.T) Harness) {
	t.Helper()
	for _, tc := range []struct {
		name string
		run  func(*subject)
	}{
		{"Empty", testEmpty},
		{"Commit_refuses", testRefusals},
		{"Commit_aborted", testAborted},
		{"History_byTime", testByTime},
		{"HostileText", testHostileText},
		{"Readers_seeWholeRevisions", testConcurrentReaders},
		{"Watch", testWatch},
		{"Watch_slowReader", testSlowWatcher},
		{"Prune", testPrune},
		{"Prune_random", testPruneRandom},
		{"Closed", testClosed},
		{"SecondWriter", testSecondWriter},
		{"ReadOnly", testReadOnly},
		{"ReaderBesideWriter", testReaderBesideWriter},
		{"LargeEstate", testLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.run(&subject{t: t, h: harness(t)})
		})
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(rt *rapid.T) { testModel(&subject{t: t, h: harness(t)}, Rapid{rt}) })
	})
	t.Run("Model_long", func(t *testing.T) {
		t.Parallel()
		testModelLong(&subject{t: t, h: harness(t)}, rand.New(rand.NewPCG(11, 12)))
	})
}

// subject is the store under test and what it must hold.
type subject struct {
	t      *testing.T
	h      Harness
	store  store.Store
	want   []*topology.Snapshot // by revision, from 0
	infos  []store.RevisionInfo // of want, from revision 1
	oldest topology.Revision    // that is kept
}

// deadline ends what hangs.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (s *subject) open() {
	s.t.Helper()
	opened, err := s.h.Open()
	if err != nil {
		s.t.Fatalf("open: %v", err)
	}
	s.store = opened
	if s.want == nil {
		s.want, s.oldest = []*topology.Snapshot{topology.Empty()}, 1
	}
}

func (s *subject) close() {
	s.t.Helper()
	if err := s.store.Close(); err != nil {
		s.t.Fatalf("close: %v", err)
	}
}

// reopen does nothing to a store that is not persistent.
func (s *subject) reopen() {
	s.t.Helper()
	if s.h.Persistent {
		s.close()
		s.open()
	}
}

func (s *subject) newest() *topology.Snapshot { return s.want[len(s.want)-1] }

// commit commits to the store and to the model.
func (s *subject) commit(d topology.Delta) {
	s.t.Helper()
	parent := s.newest()
	next, err := parent.Apply(d)
	if err != nil {
		s.t.Fatalf("the delta does not fit: %v", err)
	}
	rev, err := s.store.Commit(deadline(s.t), parent.Revision(), d)
	if err != nil || rev != next.Revision() {
		s.t.Fatalf("commit gives %d, %v; want %d", rev, err, next.Revision())
	}
	s.want = append(s.want, next)
	s.infos = append(s.infos, store.Info(next, d))
}

// octets are everything that a snapshot says, with its revision and time; equal snapshots have equal ones, and no others do.
func octets(t *testing.T, s *topology.Snapshot) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.WriteCheckpoint(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// text is the same in canonical JSON.
func text(t *testing.T, s *topology.Snapshot) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.WriteJSON(&b, true); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (s *subject) same(what string, got, want *topology.Snapshot) {
	s.t.Helper()
	if bytes.Equal(octets(s.t, got), octets(s.t, want)) {
		return
	}
	a, b := text(s.t, got), text(s.t, want)
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	around := func(x []byte) []byte { return x[max(0, at-200):min(len(x), at+200)] }
	s.t.Fatalf("%s is not what it was; it differs at octet %d:\n got …%s…\nwant …%s…", what, at, around(a), around(b))
}

// checkNewest compares the newest snapshot alone.
func (s *subject) checkNewest() {
	s.t.Helper()
	got, err := s.store.Snapshot(deadline(s.t), 0)
	if err != nil {
		s.t.Fatalf("newest snapshot: %v", err)
	}
	s.same("the newest snapshot", got, s.newest())
}

// check compares every revision that is kept, and that no other is.
func (s *subject) check(r store.Reader) {
	s.t.Helper()
	ctx := deadline(s.t)
	infos, err := r.Revisions(ctx, time.Time{})
	if err != nil {
		s.t.Fatalf("revisions: %v", err)
	}
	want := s.infos[min(int(s.oldest)-1, len(s.infos)):]
	if len(infos) != len(want) {
		s.t.Fatalf("%d revisions, want %d", len(infos), len(want))
	}
	for i, info := range infos {
		if info != want[i] {
			s.t.Fatalf("revision info is %+v, want %+v", info, want[i])
		}
	}
	for rev := s.oldest; int(rev) < len(s.want); rev++ {
		got, err := r.Snapshot(ctx, rev)
		if err != nil {
			s.t.Fatalf("snapshot %d: %v", rev, err)
		}
		s.same("snapshot", got, s.want[rev])
	}
	got, err := r.Snapshot(ctx, 0)
	if err != nil {
		s.t.Fatalf("newest snapshot: %v", err)
	}
	s.same("the newest snapshot", got, s.newest())
	for _, rev := range []topology.Revision{s.oldest - 1, topology.Revision(len(s.want))} {
		if _, err := r.Snapshot(ctx, rev); rev != 0 && !errors.Is(err, store.ErrNotFound) {
			s.t.Fatalf("snapshot %d: error is %v, want ErrNotFound", rev, err)
		}
	}
}

// refused makes sure that an error is the one wanted and that the store is as it was, also when it is opened again.
func (s *subject) refused(what string, err, want error) {
	s.t.Helper()
	if !errors.Is(err, want) {
		s.t.Fatalf("%s: error is %v, want %v", what, err, want)
	}
	s.check(s.store)
}

func testModel(s *subject, d Draw) {
	s.open()
	for range 1 + d.IntN(4) {
		s.commit(Delta(d, s.newest(), 30))
		s.checkNewest()
	}
	s.reopen()
	s.check(s.store)
	s.commit(Delta(d, s.newest(), 30))
	s.check(s.store)
	got, err := s.store.Snapshot(deadline(s.t), 0)
	if err != nil || !bytes.Equal(text(s.t, got), text(s.t, s.newest())) {
		s.t.Fatalf("the newest snapshot in canonical JSON is not that of the model, %v", err)
	}
	s.close()
}

// testModelLong has so many changes that a store has to fold its history, and opens it in between.
func testModelLong(s *subject, d Draw) {
	commits := 40
	if testing.Short() {
		commits = 12
	}
	s.open()
	for i := range commits {
		s.commit(Delta(d, s.newest(), 600))
		if i%7 == 0 {
			s.reopen()
			s.checkNewest()
		}
	}
	s.check(s.store)
	s.reopen()
	s.check(s.store)
	s.close()
}
