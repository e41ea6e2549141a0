package sqlite_test

import (
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/throughline-dc/throughline/topology/store/sqlite"
)

// A store can be opened again as soon as it is closed, also while the process starts others: between fork and exec they hold its files open.
func TestOpen_againWhileProcessesStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "throughline.db")
	stop := make(chan struct{})
	var starters sync.WaitGroup
	for range 2 {
		starters.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = exec.Command("true").Run()
				}
			}
		})
	}
	for range 60 {
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Error(err)
			break
		}
		if err := s.Close(); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	starters.Wait()
}
