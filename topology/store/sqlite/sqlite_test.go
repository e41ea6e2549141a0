package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/throughline-dc/throughline/topology/store"
	"github.com/throughline-dc/throughline/topology/store/sqlite"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		t.Helper()
		path := filepath.Join(t.TempDir(), "throughline.db")
		return storetest.Harness{
			Persistent: true,
			Open:       func() (store.Store, error) { return sqlite.Open(t.Context(), path, sqlite.Options{}) },
			OpenReader: func() (store.Store, error) { return sqlite.Open(t.Context(), path, sqlite.Options{ReadOnly: true}) },
		}
	})
}
