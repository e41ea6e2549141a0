package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
	"github.com/throughline-dc/throughline/topology/store/sqlite"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// childEnv makes the test binary a writer to be killed: "PATH SEED".
const childEnv = "THROUGHLINE_TORTURE_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		path, seed, _ := strings.Cut(job, " ")
		if err := tortureChild(path, seed); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// tortureChild commits without end, and says each revision after its commit was acknowledged.
func tortureChild(path, seedText string) error {
	ctx := context.Background()
	seed, err := strconv.ParseUint(seedText, 10, 64)
	if err != nil {
		return err
	}
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	newest, err := s.Snapshot(ctx, 0)
	if err != nil {
		return err
	}
	fmt.Println("open")
	for {
		d := tortureDelta(newest, seed)
		rev, err := s.Commit(ctx, newest.Revision(), d)
		if err != nil {
			return err
		}
		fmt.Println(rev)
		if newest, err = s.Snapshot(ctx, rev); err != nil {
			return err
		}
		if rev%17 == 0 {
			if _, err := s.Prune(ctx, newest.Time().Add(-time.Hour)); err != nil {
				return err
			}
		}
	}
}

// tortureDelta is the one delta that follows a snapshot: child and parent make the same.
func tortureDelta(s *topology.Snapshot, seed uint64) topology.Delta {
	rng := rand.New(rand.NewPCG(seed, uint64(s.Revision())))
	size := 1 + rng.IntN(40)
	if rng.IntN(4) == 0 {
		size = 1 + rng.IntN(3000)
	}
	return storetest.Delta(rng, s, size)
}

// TestTortureKill9 kills a writer in the midst of commits, again and again, and looks at what it left: always a whole revision, never older
// than the last that it acknowledged. TORTURE=1 kills 1,000 times.
func TestTortureKill9(t *testing.T) {
	t.Parallel()
	kills := 50
	switch {
	case os.Getenv("TORTURE") != "":
		kills = 1000
	case testing.Short():
		kills = 5
	}
	v := &victim{t: t, rng: rand.New(rand.NewPCG(uint64(kills), 99))}
	for i := range kills {
		if i%25 == 0 { // from nothing, so that kills meet the making of a store, too
			v.renew(filepath.Join(t.TempDir(), "throughline.db"), uint64(i))
		}
		v.kill()
		v.check(i%25 == 24 || i == kills-1)
	}
	if v.acked == 0 {
		t.Error("no commit was ever acknowledged: this proves nothing")
	}
	t.Logf("%d kills; %d commits acknowledged; %d times a commit was durable and not acknowledged any more; %d times a WAL was left",
		kills, v.acked, v.unacked, v.wals)
}

// victim is a store whose writers die.
type victim struct {
	t    *testing.T
	rng  *rand.Rand
	path string
	seed uint64
	want []*topology.Snapshot // by revision; what the same deltas lead to
	last topology.Revision    // acknowledged

	acked, unacked, wals int
}

func (v *victim) renew(path string, seed uint64) {
	v.path, v.seed, v.want, v.last = path, seed, []*topology.Snapshot{topology.Empty()}, 0
}

// kill runs a writer and kills it, half of the time while it still opens the store.
func (v *victim) kill() {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Minute)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		v.t.Fatal(err)
	}
	child := exec.CommandContext(ctx, self)
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", childEnv, v.path, v.seed))
	var complaint bytes.Buffer
	child.Stderr = &complaint
	out, err := child.StdoutPipe()
	if err != nil {
		v.t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		v.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if v.rng.IntN(4) > 0 && !lines.Scan() {
		v.t.Errorf("the writer ended before it had opened the store: %s", complaint.String())
	}
	death := time.AfterFunc(time.Duration(v.rng.IntN(80_000))*time.Microsecond, func() {
		child.Process.Kill() //nolint:errcheck // it may be dead
	})
	defer death.Stop()
	for lines.Scan() {
		if rev, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
			v.last = topology.Revision(rev)
			v.acked++
		}
	}
	child.Wait() //nolint:errcheck // it was killed
	if complaint.Len() > 0 {
		v.t.Fatalf("the writer failed before it was killed: %s", complaint.String())
	}
}

// wanted gives what a revision must be.
func (v *victim) wanted(rev topology.Revision) *topology.Snapshot {
	v.t.Helper()
	for topology.Revision(len(v.want)) <= rev {
		s := v.want[len(v.want)-1]
		next, err := s.Apply(tortureDelta(s, v.seed))
		if err != nil {
			v.t.Fatal(err)
		}
		v.want = append(v.want, next)
	}
	return v.want[rev]
}

// check opens a copy, so that the next writer finds the store as this one left it.
func (v *victim) check(everything bool) {
	v.t.Helper()
	dir := filepath.Join(filepath.Dir(v.path), "copy")
	copied := filepath.Join(dir, "throughline.db")
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		v.t.Fatal(err)
	}
	if v.copyFile("", copied) == 0 {
		if v.last > 0 {
			v.t.Fatalf("revision %d was acknowledged and there is no store", v.last)
		}
		return
	}
	if v.copyFile("-wal", copied) > 0 {
		v.wals++
	}
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Minute)
	defer cancel()
	s, err := sqlite.Open(ctx, copied, sqlite.Options{ReadOnly: v.rng.IntN(2) == 0})
	if err != nil {
		v.t.Fatalf("after revision %d was acknowledged: %v", v.last, err)
	}
	infos, err := s.Revisions(ctx, time.Time{})
	if err != nil {
		v.t.Fatal(err)
	}
	newest := topology.Revision(0)
	for i, info := range infos {
		if newest = info.Revision; i > 0 && newest != infos[i-1].Revision+1 {
			v.t.Fatalf("revision %d follows %d", newest, infos[i-1].Revision)
		}
		if everything || i == 0 || i == len(infos)-1 || v.rng.IntN(len(infos)) < 3 {
			v.same(ctx, s, newest)
		}
	}
	if newest < v.last {
		v.t.Fatalf("revision %d was acknowledged, and the newest is %d", v.last, newest)
	}
	if newest > v.last {
		v.unacked++
	}
	v.last = newest
	if err := s.Close(); err != nil {
		v.t.Fatal(err)
	}
	if everything {
		sound(v.t, copied)
	}
}

func (v *victim) same(ctx context.Context, s *sqlite.Store, rev topology.Revision) {
	v.t.Helper()
	got, err := s.Snapshot(ctx, rev)
	if err != nil {
		v.t.Fatal(err)
	}
	var a, b bytes.Buffer
	if err := errors.Join(got.WriteCheckpoint(&a), v.wanted(rev).WriteCheckpoint(&b)); err != nil {
		v.t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		v.t.Fatalf("revision %d is not what was committed", rev)
	}
}

func (v *victim) copyFile(suffix, to string) int64 {
	v.t.Helper()
	from, err := os.Open(v.path + suffix)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		v.t.Fatal(err)
	}
	defer from.Close() //nolint:errcheck // it was only read
	into, err := os.Create(to + suffix)
	if err != nil {
		v.t.Fatal(err)
	}
	n, err := io.Copy(into, from)
	if err := errors.Join(err, into.Close()); err != nil {
		v.t.Fatal(err)
	}
	return n
}

// sound asks SQLite whether the file is.
func sound(t *testing.T, path string) {
	t.Helper()
	db := raw(t, path)
	var verdict string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity check says %s, %v", verdict, err)
	}
}

// raw opens the file as SQLite sees it.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) //nolint:errcheck // it is only read
	return db
}

var _ store.Store = (*sqlite.Store)(nil)
