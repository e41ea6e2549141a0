//go:build unix

package cli_test

import (
	"syscall"
	"testing"
)

// pipe makes a pipe that nobody writes to.
func pipe(tb testing.TB, name string) {
	tb.Helper()
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		tb.Fatal(err)
	}
}
