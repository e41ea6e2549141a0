package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks our files in the header of SQLite's file format (octets 68 to 71): "THLN".
const applicationID = 0x54484c4e

const (
	// pageSize is greater than SQLite's default, since checkpoints are read in long stretches.
	pageSize = 16 << 10
	// busyMillis is how long a statement waits for a lock that another process holds for a moment.
	busyMillis = 10_000
)

// inspect reads the header of the file without SQLite, which would turn an empty file into a database. It reports whether the file is
// there; any file that is not ours is an error.
func inspect(path string) (exists bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return false, errors.New("it is a symbolic link to nowhere")
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false, errors.Join(err, errors.New("not a regular file"))
	}
	var head [100]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || string(head[:16]) != "SQLite format 3\x00" {
		return false, errors.New("not a store of throughline: it is no SQLite database")
	}
	if id := binary.BigEndian.Uint32(head[68:]); id != applicationID {
		return false, fmt.Errorf("not a store of throughline: it is an SQLite database with application ID %#x, and ours have %#x", id, applicationID)
	}
	return true, nil
}

// create makes an empty store beside its place and moves it there whole, so that a crash leaves none or all of it.
func create(ctx context.Context, path string) error {
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(path + suffix); err == nil && info.Size() > 0 {
			return fmt.Errorf("%s is there and %s is not: the store was moved or deleted without it; bring it back, or delete both",
				filepath.Base(path)+suffix, filepath.Base(path))
		}
	}
	draft := path + ".new"
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(draft + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(draft, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	db, err := open(draft, "mode=rw", "_auto_vacuum=INCREMENTAL",
		fmt.Sprintf("_pragma=page_size(%d)", pageSize), fmt.Sprintf("_pragma=application_id(%d)", applicationID))
	if err != nil {
		return err
	}
	err = migrate(ctx, db)
	if err == nil {
		_, err = db.ExecContext(ctx, "PRAGMA journal_mode = WAL")
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// open prepares connections to an existing database. Nothing is read before the first statement.
func open(path string, params ...string) (*sql.DB, error) {
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	params = append(params, fmt.Sprintf("_busy_timeout=%d", busyMillis))
	return sql.Open("sqlite", "file:"+escaped+"?"+strings.Join(params, "&"))
}

// migrate brings the schema to the newest version, one transaction for each step.
func migrate(ctx context.Context, db *sql.DB) error {
	p, err := provider(db)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

func provider(db *sql.DB) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithDisableGlobalRegistry(true))
}

// checkVersion tells whether the schema is older than this program's; a newer one is an error.
func checkVersion(ctx context.Context, db *sql.DB) (older bool, err error) {
	p, err := provider(db)
	if err != nil {
		return false, err
	}
	var have int64
	if err := db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&have); err != nil {
		return false, err
	}
	sources := p.ListSources()
	known := sources[len(sources)-1].Version
	if have > known {
		return false, fmt.Errorf("a later version of throughline wrote it: its schema has version %d, this program knows %d", have, known)
	}
	return have < known, nil
}

// SQLite's primary result codes (https://sqlite.org/rescode.html) that mean something to an operator.
const (
	codeBusy     = 5
	codeReadOnly = 8
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26
)

// primaryCode gives SQLite's result code without its extension, 0 for other errors.
func primaryCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// explain puts what an SQLite error means for an operator before it.
func explain(err error) error {
	switch primaryCode(err) {
	case codeBusy:
		return fmt.Errorf("another program holds it for longer than %d s: %w", busyMillis/1000, err)
	case codeReadOnly:
		return fmt.Errorf("it, or the files beside it (-wal, -shm), cannot be written, which a reader must, too, unless a writer runs: %w", err)
	case codeCorrupt, codeNotADB:
		return fmt.Errorf("the file is damaged: %w", err)
	case codeFull:
		return fmt.Errorf("the disk is full: %w", err)
	case codeCantOpen:
		return fmt.Errorf("it cannot be opened, or the files beside it (-wal, -shm) cannot be made: %w", err)
	}
	return err
}
