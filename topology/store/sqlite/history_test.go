package sqlite_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/sqlite"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

func count(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHistory_anUnchangedSweepWritesNoFact renews all readings: their ages are kept, and not one row of a fact is touched.
func TestHistory_anUnchangedSweepWritesNoFact(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "throughline.db")
	s := open(t, path, sqlite.Options{})
	now := commit(t, s, storetest.Estate(600, storetest.Start()))
	db := raw(t, path)
	const rows = "SELECT count(*) + sum(n) + count(to_rev) FROM fact"
	before := count(t, db, rows)
	for range 3 {
		d := topology.Delta{Time: now.Time().Add(5 * time.Minute)}
		for _, r := range now.Readings() {
			r.Time = d.Time
			d.Renew = append(d.Renew, r)
		}
		now = commit(t, s, d)
	}
	if after := count(t, db, rows); after != before {
		t.Errorf("rows of facts changed: %d, were %d", after, before)
	}
	old, err := s.Snapshot(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range old.Readings() {
		if want := storetest.Start().Add(5 * time.Minute); !r.Time.Equal(want) {
			t.Fatalf("in revision 2 %s is of %s, want %s", r.ReadingKey, r.Time, want)
		}
	}
}

// TestHistory_readsAsIntervals looks at the file as a person with SQL does.
func TestHistory_readsAsIntervals(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "throughline.db")
	s := open(t, path, sqlite.Options{})
	now := commit(t, s, storetest.Estate(200, storetest.Start()))
	now = commit(t, s, storetest.Move(now, 0, 1))
	commit(t, s, storetest.Move(now, 0, 0))
	rows, err := raw(t, path).QueryContext(t.Context(), `SELECT value, device, from_rev, coalesce(to_rev, 0) FROM history
		WHERE subject = (SELECT subject FROM history WHERE value = 'vm0000000') AND word = 'RunsOn' ORDER BY from_rev`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	var got strings.Builder
	for rows.Next() {
		var value, device string
		var from, to int
		if err := rows.Scan(&value, &device, &from, &to); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%.5s %s %d-%d\n", value, device, from, to)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if want := "host: host00000 1-2\nhost: host00001 2-3\nhost: host00000 3-0\n"; got.String() != want {
		t.Errorf("the VM ran\n%swant\n%s", got.String(), want)
	}
}

func TestKeep_prunesByItself(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "throughline.db")
	const keep = 32 * time.Hour
	s := open(t, path, sqlite.Options{Keep: keep})
	rng := rand.New(rand.NewPCG(1, 1))
	now := topology.Empty()
	for i := range 80 {
		d := storetest.Delta(rng, now, 30)
		d.Time = storetest.Start().Add(time.Duration(i) * time.Hour)
		now = commit(t, s, d)
		infos, err := s.Revisions(t.Context(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if kept := d.Time.Sub(infos[0].Time); kept > keep+time.Hour || kept < min(keep, time.Duration(i)*time.Hour) {
			t.Fatalf("after %d hours %s are kept, want %s", i, kept, keep)
		}
	}
}

// TestPrune_givesSpaceBack fills a store with what does not stay.
func TestPrune_givesSpaceBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "throughline.db")
	s := open(t, path, sqlite.Options{})
	now := commit(t, s, storetest.Estate(60, storetest.Start()))
	for i := range 6 {
		d := storetest.Estate(3000, now.Time().Add(time.Minute))
		for j := range d.Add {
			f := &d.Add[j]
			f.Subject.ID = fmt.Sprintf("%d %s", i, f.Subject.ID)
			if f.Rel != 0 {
				f.Object.ID = fmt.Sprintf("%d %s", i, f.Object.ID)
			}
		}
		commit(t, s, d)
		now = commit(t, s, topology.Delta{Time: d.Time, Remove: d.Add})
	}
	full := fileSize(t, path)
	if n, err := s.Prune(t.Context(), now.Time()); err != nil || n != 12 {
		t.Fatalf("prune gives %d, %v", n, err)
	}
	db := raw(t, path)
	if nodes := count(t, db, "SELECT count(*) FROM node"); nodes > 2000 {
		t.Errorf("%d nodes are kept, of which nobody says anything", nodes)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if size := fileSize(t, path); size > full/4 {
		t.Errorf("the file has %d octets, of %d before", size, full)
	}
	sound(t, path)
	got, err := open(t, path, sqlite.Options{}).Snapshot(t.Context(), 0)
	if err != nil || got.Revision() != now.Revision() || !topology.Diff(got, now).Empty() {
		t.Errorf("the newest revision is not what it was: %v", err)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestCheckpoints_stayFew commits much more than one checkpoint's worth: the newest opens from a near one, and old ones are thinned out.
func TestCheckpoints_stayFew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "throughline.db")
	s := open(t, path, sqlite.Options{})
	rng := rand.New(rand.NewPCG(1, 1))
	now := topology.Empty()
	for range 50 {
		now = commit(t, s, storetest.Delta(rng, now, 1500))
	}
	db := raw(t, path)
	checkpoints := count(t, db, "SELECT count(*) FROM checkpoint")
	changes := count(t, db, "SELECT max(changes) FROM revision")
	if checkpoints < changes/30_000 || checkpoints > changes/5_000 {
		t.Errorf("%d checkpoints for %d changes", checkpoints, changes)
	}
	if behind := changes - count(t, db, "SELECT max(changes) FROM checkpoint"); behind > 5000 {
		t.Errorf("the newest checkpoint is %d changes behind", behind)
	}
	if parts := count(t, db, "SELECT count(DISTINCT revision) FROM part"); parts != checkpoints {
		t.Errorf("%d checkpoints have parts, want %d", parts, checkpoints)
	}
}

//nolint:paralleltest // it counts what runs
func TestWatch_leavesNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	path := filepath.Join(t.TempDir(), "throughline.db")
	w := open(t, path, sqlite.Options{})
	r := open(t, path, sqlite.Options{ReadOnly: true})
	first, second := w.Watch(t.Context()), r.Watch(t.Context())
	commit(t, w, storetest.Estate(60, storetest.Start()))
	if a, b := <-first, <-second; a != 1 || b != 1 {
		t.Errorf("watches told of %d and %d", a, b)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	for range first {
		t.Error("a closed store told of a revision")
	}
	for range second {
		t.Error("a closed store told of a revision")
	}
	goleak.VerifyNone(t, before)
}

func TestLook_roundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := storetest.Delta(storetest.Rapid{T: t}, topology.Empty(), 5)
		d.Forget = append(d.Forget, topology.ReadingKey{Source: topology.SourceCLI, Device: "x", Partial: true})
		data, err := sqlite.PackLook(d.Renew, d.Forget)
		if err != nil {
			t.Fatal(err)
		}
		renew, forget, err := sqlite.UnpackLook(data)
		if err != nil || len(renew) != len(d.Renew) || len(forget) != len(d.Forget) {
			t.Fatalf("unpacked %d and %d, %v", len(renew), len(forget), err)
		}
		for i := range renew {
			if renew[i] != d.Renew[i] {
				t.Fatalf("reading is %+v, was %+v", renew[i], d.Renew[i])
			}
		}
		for i := range forget {
			if forget[i] != d.Forget[i] {
				t.Fatalf("key is %+v, was %+v", forget[i], d.Forget[i])
			}
		}
	})
}

func FuzzUnpackLook(f *testing.F) {
	d := storetest.Estate(200, storetest.Start())
	for n := range 3 {
		data, err := sqlite.PackLook(d.Renew[:n], nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		renew, forget, err := sqlite.UnpackLook(data)
		if err != nil {
			return
		}
		again, err := sqlite.PackLook(renew, forget)
		if err != nil {
			t.Fatal(err)
		}
		r, k, err := sqlite.UnpackLook(again)
		if err != nil || len(r) != len(renew) || len(k) != len(forget) {
			t.Fatalf("what was read cannot be written and read: %v", err)
		}
		if once, _ := sqlite.PackLook(r, k); !bytes.Equal(once, again) {
			t.Fatal("what was read is not what was written")
		}
	})
}
