package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/throughline-dc/throughline/topology/store"
)

// lock is the right to write a store: a lock of the operating system on FILE.lock, which ends with the process however that ends. The text
// in the file is for the message of whoever comes second. The file itself stays, since removing it would race.
type lock struct{ f *os.File }

func lockFile(name string) (*lock, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		err = sign(f)
	}
	if err == nil {
		return &lock{f}, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%w: %s", store.ErrLocked, holder(f))
	}
	return nil, errors.Join(err, f.Close())
}

// sign says who holds the lock.
func sign(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "process %d on host %s since %s", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	return err
}

func holder(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, 500))
	if err != nil || len(text) == 0 {
		return "another process, which does not say its name"
	}
	return string(text)
}

// release gives the lock back. Closing alone would not, as long as a child of this process that was forked a moment ago, and has not yet begun to run
// its program, has the file open too.
func (l *lock) release() error {
	return errors.Join(l.f.Truncate(0), syscall.Flock(int(l.f.Fd()), syscall.LOCK_UN), l.f.Close())
}
