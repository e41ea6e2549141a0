package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Whoever writes at the other end may never end: Ctrl-C ends the reading all the same.
func TestReadInput_endsWithItsContext(t *testing.T) {
	t.Parallel()
	silent, writer := io.Pipe()
	defer writer.Close() //nolint:errcheck // a pipe in memory
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"-", fifo} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if raw, err := readInput(ctx, silent, name); !errors.Is(err, context.Canceled) || raw != nil {
			t.Errorf("%s: %q, %v", name, raw, err)
		}
	}
	raw, err := readInput(t.Context(), strings.NewReader("all of it"), "-")
	if err != nil || string(raw) != "all of it" {
		t.Errorf("%q, %v", raw, err)
	}
}
