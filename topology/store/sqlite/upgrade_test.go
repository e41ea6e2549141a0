package sqlite_test

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/sqlite"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

var update = flag.Bool("update", false, "write what the filled stores say, and the fixture of the newest schema if there is none yet")

// golden is what every filled store of testdata says, whatever its schema: the canonical JSON of its revisions.
const golden = "testdata/filled.json"

// TestUpgrade_fromEveryVersion opens stores as earlier programs left them. The fixtures are SQL text, one for each step of the schema, and are never
// written again: whoever adds a step runs this test with -update once, which adds the fixture of that step.
func TestUpgrade_fromEveryVersion(t *testing.T) {
	t.Parallel()
	steps, err := fs.Glob(sqlite.Migrations, "migrations/*.sql")
	if err != nil || len(steps) == 0 {
		t.Fatalf("steps are %v, %v", steps, err)
	}
	if *update {
		writeGolden(t)
	}
	for i, step := range steps {
		version := strings.Split(filepath.Base(step), "_")[0]
		fixture := filepath.Join("testdata", "v"+version+".sql")
		if n, err := strconv.Atoi(version); err != nil || n != i+1 {
			t.Errorf("%s: steps are numbered from 1, without gaps", step)
		}
		newest := i == len(steps)-1
		if _, err := os.Stat(fixture); errors.Is(err, fs.ErrNotExist) && newest && *update {
			writeFixture(t, fixture)
		}
		t.Run("v"+version, func(t *testing.T) {
			t.Parallel()
			upgrade(t, fixture, newest)
		})
	}
}

func upgrade(t *testing.T, fixture string, newest bool) {
	t.Helper()
	script, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatalf("a schema without a filled store to upgrade from (-update writes one): %v", err)
	}
	path := filepath.Join(t.TempDir(), "throughline.db")
	db := raw(t, path)
	if _, err := db.ExecContext(t.Context(), string(script)); err != nil {
		t.Fatalf("%s: %v", fixture, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := sqlite.Open(t.Context(), path, sqlite.Options{ReadOnly: true})
	if newest {
		if err != nil {
			t.Fatal(err)
		}
		same(t, r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	} else if err == nil || !strings.Contains(err.Error(), "earlier version") {
		t.Fatalf("opening for reading: error is %v, want one that says how to upgrade", err)
	}
	for range 2 {
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		same(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.Snapshot(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	d := storetest.Delta(rand.New(rand.NewPCG(1, 1)), before, 200)
	if _, err := s.Commit(t.Context(), before.Revision(), d); err != nil {
		t.Fatalf("a commit after the upgrade: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound(t, path)
}

func same(t *testing.T, s *sqlite.Store) {
	t.Helper()
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := everything(t, s); !bytes.Equal(got, want) {
		t.Fatalf("the store does not say what %s says; it says:\n%s", golden, got)
	}
}

// everything is the canonical JSON of all revisions that are kept.
func everything(t *testing.T, s *sqlite.Store) []byte {
	t.Helper()
	infos, err := s.Revisions(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, i := range infos {
		fmt.Fprintf(&b, "%d %s +%d -%d ~%d\n", i.Revision, i.Time.Format(time.RFC3339Nano), i.Added, i.Removed, i.Renewed)
		snapshot, err := s.Snapshot(t.Context(), i.Revision)
		if err != nil {
			t.Fatal(err)
		}
		if err := snapshot.WriteJSON(&b, true); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// writeGolden writes what the oldest fixture says.
func writeGolden(t *testing.T) {
	t.Helper()
	s := filled(t, filepath.Join(t.TempDir(), "throughline.db"))
	if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(golden, everything(t, s), 0o644), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// writeFixture writes the store that all fixtures hold, in the newest schema, as SQL.
func writeFixture(t *testing.T, fixture string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "throughline.db")
	if err := errors.Join(filled(t, path).Close(), os.WriteFile(fixture, dump(t, raw(t, path)), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// filled opens the store of the oldest fixture. Before there is one, it makes it: with every type of value, a past that was pruned, a checkpoint, and
// revisions after it.
func filled(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	script, err := os.ReadFile("testdata/v00001.sql")
	if err == nil {
		db := raw(t, path)
		if _, err := db.ExecContext(t.Context(), string(script)); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, openErr := sqlite.Open(t.Context(), path, sqlite.Options{})
	if openErr != nil {
		t.Fatal(openErr)
	}
	if err == nil {
		return s
	}
	now := topology.Empty()
	commit := func(d topology.Delta) {
		rev, err := s.Commit(t.Context(), now.Revision(), d)
		if err != nil {
			t.Fatal(err)
		}
		if now, err = s.Snapshot(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(2, 3))
	commit(storetest.Delta(rng, now, 30))
	commit(storetest.Delta(rng, now, 30))
	for range 8 { // so many changes that a checkpoint is due, and few that stay
		d := storetest.Estate(60, now.Time().Add(time.Second))
		commit(d)
		commit(topology.Delta{Time: now.Time().Add(time.Second), Remove: d.Add})
	}
	if _, err := s.Prune(t.Context(), now.Time()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		commit(storetest.Delta(rng, now, 30))
	}
	return s
}

// dump writes a database as SQL text.
func dump(t *testing.T, db *sql.DB) []byte {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "PRAGMA auto_vacuum = 2;\nPRAGMA page_size = 4096;\nPRAGMA application_id = %d;\nPRAGMA journal_mode = WAL;\n", sqlite.ApplicationID)
	for _, table := range columns(t, db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name") {
		fmt.Fprintf(&b, "%s;\n", columns(t, db, "SELECT sql FROM sqlite_master WHERE name = '"+table+"'")[0])
		rows, err := db.QueryContext(t.Context(), `SELECT * FROM "`+table+`" ORDER BY rowid`)
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values, into := make([]any, len(names)), make([]any, len(names))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			literals := make([]string, len(values))
			for i, v := range values {
				literals[i] = literal(t, v)
			}
			fmt.Fprintf(&b, "INSERT INTO \"%s\" VALUES (%s);\n", table, strings.Join(literals, ", "))
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for _, more := range columns(t, db, "SELECT sql FROM sqlite_master WHERE type <> 'table' AND sql IS NOT NULL ORDER BY type, name") {
		fmt.Fprintf(&b, "%s;\n", more)
	}
	return b.Bytes()
}

func literal(t *testing.T, v any) string {
	t.Helper()
	switch v := v.(type) {
	case nil:
		return "NULL"
	case int64:
		return strconv.FormatInt(v, 10)
	case time.Time: // the version table of the migrations has a column of type TIMESTAMP
		return "'" + v.Format(time.DateTime) + "'"
	case []byte:
		return "x'" + hex.EncodeToString(v) + "'"
	case string:
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
			return "CAST(x'" + hex.EncodeToString([]byte(v)) + "' AS TEXT)"
		}
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	t.Fatalf("no literal for a %T", v)
	return ""
}

func columns(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
