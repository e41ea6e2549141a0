// Command throughline shows, checks and changes the whole path of a virtual machine: on one side to its network, on the other to its storage.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	exitKilled = 130                    // what a shell says of a program that SIGINT has ended
	sameSignal = 300 * time.Millisecond // timeout(1) and others send a signal to the process and to its group: that is one
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go obey(signals, cancel, os.Exit, sameSignal)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	cancel()
	os.Exit(code)
}

// obey stops the work at the first signal, and at the next one does not wait for its end; what comes within a moment is the first. Every commit is durable,
// so that nothing is lost.
func obey(signals <-chan os.Signal, stop context.CancelFunc, exit func(code int), moment time.Duration) {
	<-signals
	stop()
	for first := time.Now(); ; {
		if <-signals; time.Since(first) >= moment {
			exit(exitKilled)
			return
		}
	}
}
