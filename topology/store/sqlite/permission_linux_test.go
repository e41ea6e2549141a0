package sqlite_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/throughline-dc/throughline/topology/store/sqlite"
)

// asNobody runs f without the rights of root over files.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := syscall.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setfsuid(0) //nolint:errcheck // root may
	f()
}

func TestOpen_withoutPermission(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "throughline.db")
	if err := open(t, path, sqlite.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	refuse := func(what, path string, readOnly bool) {
		asNobody(t, func() {
			s, err := sqlite.Open(t.Context(), path, sqlite.Options{ReadOnly: readOnly})
			if err == nil {
				t.Errorf("%s: opened; closing it: %v", what, s.Close())
				return
			}
			if !errors.Is(err, fs.ErrPermission) && !strings.Contains(err.Error(), "cannot be written") {
				t.Errorf("%s: error is %v, want one that says what is not permitted", what, err)
			}
		})
	}
	chmod := func(name string, mode os.FileMode) {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod(path, 0)
	refuse("a file that may not be read", path, true)
	refuse("a file that may not be read, to write it", path, false)
	chmod(path, 0o444)
	chmod(path+".lock", 0o666)
	if os.Geteuid() != 0 {
		chmod(dir, 0o555)
	}
	refuse("a file that may only be read, to write it", path, false)
	refuse("a folder that may only be read", filepath.Join(dir, "new.db"), false)
	chmod(path, 0o644)
	chmod(dir, 0o755)
	s := open(t, path, sqlite.Options{})
	if now, err := s.Snapshot(t.Context(), 0); err != nil || now.Revision() != 0 {
		t.Errorf("after all that: %v, %v", now, err)
	}
}
