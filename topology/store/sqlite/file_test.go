package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
	"github.com/throughline-dc/throughline/topology/store/sqlite"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

func open(t *testing.T, path string, opts sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

func commit(t *testing.T, s *sqlite.Store, d topology.Delta) *topology.Snapshot {
	t.Helper()
	now, err := s.Snapshot(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	rev, err := s.Commit(t.Context(), now.Revision(), d)
	if err != nil {
		t.Fatal(err)
	}
	next, err := s.Snapshot(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// TestOpen_leavesAloneWhatIsNotOurs opens what is no store, or none that this program understands: it says why, and changes nothing.
func TestOpen_leavesAloneWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	statement := func(query string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			db := raw(t, path)
			if _, err := db.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	contents := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tc := range map[string]struct {
		make func(t *testing.T, path string)
		want string
	}{
		"text":             {contents(strings.Repeat("not a database\n", 100)), "it is no SQLite database"},
		"empty file":       {contents(""), "it is no SQLite database"},
		"short file":       {contents("SQLite format 3\x00"), "it is no SQLite database"},
		"another database": {statement("CREATE TABLE guests (name)"), "application ID 0x0"},
		"another program's database": {
			statement("PRAGMA application_id = 252006674; CREATE TABLE x (y)"),
			"application ID 0xf055112",
		},
		"a folder": {func(t *testing.T, path string) {
			t.Helper()
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "not a regular file"},
		"a link to nowhere": {func(t *testing.T, path string) {
			t.Helper()
			if err := os.Symlink(filepath.Join(t.TempDir(), "gone"), path); err != nil {
				t.Fatal(err)
			}
		}, "symbolic link to nowhere"},
		"a later schema": {func(t *testing.T, path string) {
			t.Helper()
			if err := open(t, path, sqlite.Options{}).Close(); err != nil {
				t.Fatal(err)
			}
			statement("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")(t, path)
			if err := os.Remove(path + ".lock"); err != nil {
				t.Fatal(err)
			}
		}, "a later version of throughline wrote it: its schema has version 99, this program knows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "throughline.db")
			tc.make(t, path)
			before, _ := os.ReadFile(path)
			for _, readOnly := range []bool{true, false} {
				_, err := sqlite.Open(t.Context(), path, sqlite.Options{ReadOnly: readOnly})
				if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("read only %t: error is %v, want one that names the file and says %q", readOnly, err, tc.want)
				}
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
			if files := list(t, filepath.Dir(path)); files != "throughline.db" && name != "a later schema" {
				t.Errorf("the folder has now: %s", files)
			}
		})
	}
}

func TestOpen_whatIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := sqlite.Open(t.Context(), filepath.Join(dir, "no", "such", "throughline.db"), sqlite.Options{})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "folder "+filepath.Join(dir, "no", "such")+" does not exist") {
		t.Errorf("without a folder: error is %v", err)
	}
	_, err = sqlite.Open(t.Context(), filepath.Join(dir, "throughline.db"), sqlite.Options{ReadOnly: true})
	if !errors.Is(err, fs.ErrNotExist) || list(t, dir) != "" {
		t.Errorf("reading what is not there: error is %v, folder has %q", err, list(t, dir))
	}
	if err := os.WriteFile(filepath.Join(dir, "throughline.db-wal"), []byte("committed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = sqlite.Open(t.Context(), filepath.Join(dir, "throughline.db"), sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "moved or deleted without it") {
		t.Errorf("beside a WAL of another file: error is %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlite.Open(ended, filepath.Join(t.TempDir(), "throughline.db"), sqlite.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: error is %v", err)
	}
}

func TestOpen_anyFileName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b.db", "what?.db", "100%.db", "%41.db", "a#b.db", "ü&=;.db", "file:x.db", "'\".db"} {
		path := filepath.Join(t.TempDir(), name)
		commit(t, open(t, path, sqlite.Options{}), storetest.Estate(60, storetest.Start()))
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: %v, %v", name, info, err)
		}
		if got, err := open(t, path, sqlite.Options{ReadOnly: true}).Snapshot(t.Context(), 0); err != nil || got.Revision() != 1 {
			t.Errorf("%q: read %v, %v", name, got, err)
		}
	}
}

// TestOpen_secondWriter lets another process write, and kills it: its lock goes with it.
func TestOpen_secondWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "throughline.db")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%s 1", childEnv, path))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	host, _ := os.Hostname()
	want := fmt.Sprintf("process %d on host %s since %d-", child.Process.Pid, host, time.Now().UTC().Year())
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want ErrLocked and %q", err, want)
	}
	open(t, path, sqlite.Options{ReadOnly: true}) // readers may, all the same
	child.Process.Kill()                          //nolint:errcheck // Wait tells
	child.Wait()                                  //nolint:errcheck // it was killed
	s := open(t, path, sqlite.Options{})
	if now, err := s.Snapshot(t.Context(), 0); err != nil {
		t.Error(err)
	} else {
		commit(t, s, storetest.Delta(rand.New(rand.NewPCG(1, 1)), now, 10))
	}
}

func TestCommit_diskFull(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "throughline.db")
	s := open(t, path, sqlite.Options{})
	first := commit(t, s, storetest.Estate(60, storetest.Start()))
	if err := s.LimitPages(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	d := topology.Delta{Time: storetest.Start()}
	for f := range first.Facts() {
		d.Remove = append(d.Remove, f)
	}
	more := storetest.Estate(6000, storetest.Start())
	d.Renew, d.Add = more.Renew, more.Add
	if _, err := s.Commit(t.Context(), 1, d); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Fatalf("error is %v, want one that says that the disk is full", err)
	}
	if now, err := s.Snapshot(t.Context(), 0); err != nil || now != first {
		t.Errorf("after that the newest snapshot is %v, %v", now, err)
	}
	if err := s.LimitPages(t.Context(), -1); err != nil {
		t.Fatal(err)
	}
	if second := commit(t, s, d); second.Revision() != 2 { // there is room again
		t.Errorf("the next revision is %d", second.Revision())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound(t, path)
}

// TestOpen_damaged flips octets of a store: it opens and says what it said, or it fails; it never panics.
func TestOpen_damaged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "throughline.db")
	s := open(t, path, sqlite.Options{})
	commit(t, s, storetest.Estate(1200, storetest.Start()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for i := range 60 {
		hurt := bytes.Clone(whole)
		if i%10 == 0 {
			hurt = hurt[:100+rng.IntN(len(hurt)-100)]
		}
		for range 1 + rng.IntN(2000) {
			hurt[100+rng.IntN(len(hurt)-100)] ^= byte(1 << rng.IntN(8))
		}
		name := filepath.Join(t.TempDir(), "hurt.db")
		if err := os.WriteFile(name, hurt, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := sqlite.Open(t.Context(), name, sqlite.Options{ReadOnly: i%2 == 0})
		if err != nil {
			refused++
			continue
		}
		if now, err := s.Snapshot(t.Context(), 0); err == nil && now.Revision() > 1 {
			t.Errorf("a damaged store has revision %d", now.Revision())
		}
		if _, err := s.Snapshot(t.Context(), 1); err != nil {
			refused++
		}
		s.Close() //nolint:errcheck // it may fail, and does not hang
	}
	if refused == 0 {
		t.Error("no damage was ever seen")
	}
}

func TestOpen_damagedCheckpoint(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "throughline.db")
	s := open(t, path, sqlite.Options{})
	commit(t, s, storetest.Estate(1200, storetest.Start()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := raw(t, path).ExecContext(t.Context(), "UPDATE part SET data = substr(data, 1, 3000) || x'00' || substr(data, 3002)"); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); !errors.Is(err, topology.ErrSyntax) || !strings.Contains(err.Error(), "its sum is wrong") {
		t.Errorf("error is %v", err)
	}
}
