package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

func testEmpty(s *subject) {
	t := s.t
	s.open()
	ctx := deadline(t)
	for range 2 {
		s.check(s.store)
		if got, err := s.store.Snapshot(ctx, 0); err != nil || got.Revision() != 0 || got.Len() != 0 {
			t.Errorf("an empty store gives %v, %v", got, err)
		}
		if _, err := store.At(ctx, s.store, Start()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("at a time: error is %v, want ErrNotFound", err)
		}
		if n, err := s.store.Prune(ctx, Start()); n != 0 || err != nil {
			t.Errorf("prune gives %d, %v", n, err)
		}
		s.reopen()
	}
	s.close()
}

func testRefusals(s *subject) {
	t := s.t
	s.open()
	ctx := deadline(t)
	rng := rand.New(rand.NewPCG(1, 1))
	s.commit(Delta(rng, s.newest(), 100))
	s.commit(Delta(rng, s.newest(), 100))
	d := Delta(rng, s.newest(), 100)

	for _, parent := range []topology.Revision{0, 1, 3, 1 << 60} {
		_, err := s.store.Commit(ctx, parent, d)
		s.refused(fmt.Sprintf("parent %d", parent), err, store.ErrStale)
	}
	_, err := s.store.Commit(ctx, 2, topology.Delta{Time: d.Time})
	s.refused("empty delta", err, store.ErrEmpty)
	timeless := d
	timeless.Time = time.Time{}
	_, err = s.store.Commit(ctx, 2, timeless)
	s.refused("delta without a time", err, store.ErrEmpty)

	bad := Fact(rng)
	bad.Reading = topology.ReadingKey{Source: topology.SourceRedfish, Table: "never read"}
	broken := d
	broken.Add = append(append([]topology.Fact(nil), d.Add...), bad)
	_, err = s.store.Commit(ctx, 2, broken)
	s.refused("a fact of a reading that is not there", err, topology.ErrConflict)
	s.reopen()
	s.check(s.store)
	s.commit(d)
	s.check(s.store)
	s.close()
}

// testAborted ends the context before and while commits run.
func testAborted(s *subject) {
	t := s.t
	s.open()
	rng := rand.New(rand.NewPCG(2, 2))
	s.commit(Delta(rng, s.newest(), 100))
	ended, cancel := context.WithCancel(deadline(t))
	cancel()
	_, err := s.store.Commit(ended, 1, Delta(rng, s.newest(), 100))
	s.refused("context that ended before", err, context.Canceled)

	aborted := 0
	for i := range 30 {
		d := Estate(30*(i+1), s.newest().Time().Add(time.Second))
		for f := range s.newest().Facts() { // the estate anew: a delta of many removals and additions
			if strings.HasPrefix(f.Reading.Device, "host") && f.Reading.Table == "domains" && f.Reading.Source == topology.SourceLibvirt {
				d.Remove = append(d.Remove, f)
			}
		}
		ctx, cancel := context.WithTimeout(deadline(t), time.Duration(rng.IntN(4000))*time.Microsecond)
		parent := s.newest()
		rev, err := s.store.Commit(ctx, parent.Revision(), d)
		cancel()
		switch {
		case err == nil:
			next, err := parent.Apply(d)
			if err != nil || rev != next.Revision() {
				t.Fatalf("commit gives %d; want %d, %v", rev, next.Revision(), err)
			}
			s.want, s.infos = append(s.want, next), append(s.infos, store.Info(next, d))
		case errors.Is(err, context.DeadlineExceeded):
			aborted++
		default:
			t.Fatalf("aborted commit: %v", err)
		}
		s.checkNewest()
		if i%10 == 0 {
			s.reopen()
			s.check(s.store)
		}
	}
	t.Logf("%d of 30 commits were aborted", aborted)
	s.reopen()
	s.check(s.store)
	s.close()
}

func testByTime(s *subject) {
	t := s.t
	s.open()
	ctx := deadline(t)
	rng := rand.New(rand.NewPCG(3, 3))
	at := Start()
	for _, step := range []time.Duration{0, time.Minute, 0, time.Hour, -time.Minute, 24 * time.Hour} { // clocks stand still and step back
		d := Delta(rng, s.newest(), 50)
		at = at.Add(step)
		d.Time = at.Add(300 * time.Microsecond) // stores keep whole milliseconds
		s.commit(d)
	}
	s.reopen()
	s.check(s.store)
	for _, tc := range []struct {
		after time.Duration
		want  topology.Revision
	}{
		{-time.Millisecond, 0},
		{0, 1},
		{time.Minute - time.Millisecond, 1},
		{time.Minute, 3},
		{time.Hour, 5},
		{25 * time.Hour, 6},
		{1000 * time.Hour, 6},
	} {
		got, err := store.At(ctx, s.store, Start().Add(tc.after))
		if tc.want == 0 {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s after the start: error is %v, want ErrNotFound", tc.after, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s after the start: %v", tc.after, err)
		}
		s.same("the snapshot at a time", got, s.want[tc.want])
	}
	infos, err := s.store.Revisions(ctx, Start().Add(time.Hour+time.Second))
	if err != nil || len(infos) != 2 || infos[0].Revision != 4 || infos[1].Revision != 6 {
		t.Errorf("revisions from more than an hour after the start on are %v, %v; want 4 and 6 (5 is of before)", infos, err)
	}
	s.close()
}

func testHostileText(s *subject) {
	s.open()
	reading := topology.Reading{ReadingKey: topology.ReadingKey{Source: topology.SourceCLI, Table: "t"}, Time: Start()}
	d := topology.Delta{Time: Start(), Renew: []topology.Reading{reading}}
	for i, h := range append(Hostile(), strings.Repeat("ü", 1<<19)) { // the last has 1 MiB
		r := reading
		r.Device, r.Command, r.Reason = h+"x", h, h
		r.Table = h
		d.Renew = append(d.Renew, r)
		node := topology.Key{Kind: topology.Port, ID: h + "/eth0"}
		name := topology.Attribute(node, topology.AttrName, topology.TextValue(h))
		alias := topology.Attribute(topology.Key{Kind: topology.Port, ID: strconv.Itoa(i)}, topology.AttrIfAlias, topology.TextValue(h))
		link := topology.Relate(node, topology.Link, topology.Key{Kind: topology.Port, ID: h + "/eth1"})
		for _, f := range []topology.Fact{name, alias, link} {
			f.Reading = r.ReadingKey
			d.Add = append(d.Add, f)
		}
	}
	s.commit(d)
	s.reopen()
	s.check(s.store)
	s.commit(topology.Delta{Time: Start(), Remove: d.Add})
	s.check(s.store)
	s.commit(topology.Delta{Time: Start(), Add: d.Add})
	s.reopen()
	s.check(s.store)
	s.close()
}

// testConcurrentReaders reads all revisions while they are made.
func testConcurrentReaders(s *subject) {
	t := s.t
	s.open()
	ctx := deadline(t)
	rng := rand.New(rand.NewPCG(4, 4))
	type revision struct {
		rev    topology.Revision
		octets []byte
	}
	var (
		mu    sync.Mutex
		seen  []revision
		done  = make(chan struct{})
		group sync.WaitGroup
	)
	for range 3 {
		group.Go(func() {
			last := topology.Revision(0)
			for {
				select {
				case <-done:
					return
				default:
				}
				got, err := s.store.Snapshot(ctx, 0)
				if err != nil {
					t.Errorf("newest snapshot: %v", err)
					return
				}
				if got.Revision() < last {
					t.Errorf("after revision %d came %d", last, got.Revision())
				}
				if last = got.Revision(); last > 1 {
					if got, err = s.store.Snapshot(ctx, last-1); err != nil {
						t.Errorf("snapshot %d: %v", last-1, err)
						return
					}
				}
				mu.Lock()
				seen = append(seen, revision{got.Revision(), octets(t, got)})
				mu.Unlock()
			}
		})
	}
	for range 25 {
		s.commit(Delta(rng, s.newest(), 200))
	}
	close(done)
	group.Wait()
	if len(seen) == 0 {
		t.Error("nothing was read while commits ran")
	}
	for _, r := range seen {
		if !bytes.Equal(octets(t, s.want[r.rev]), r.octets) {
			t.Fatalf("a reader saw revision %d, and it was not whole", r.rev)
		}
	}
	s.close()
}

func testLarge(s *subject) {
	t := s.t
	s.open()
	size := 100_000
	if testing.Short() {
		size = 20_000
	}
	s.commit(Estate(size, Start()))
	if n := s.newest().Len(); n < size*99/100 {
		t.Fatalf("the estate has %d nodes", n)
	}
	s.commit(Move(s.newest(), 17, 3))
	s.reopen()
	s.checkNewest()
	old, err := s.store.Snapshot(deadline(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	s.same("the revision before the move", old, s.want[1])
	if cs := topology.Diff(old, s.newest()); len(cs.Changes) != 2 {
		t.Errorf("a move is %v", cs.Changes)
	}
	s.close()
}
