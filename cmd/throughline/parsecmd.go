package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

func (a *app) parseCommand() *cobra.Command {
	sources := slices.Sorted(maps.Keys(parsers()))
	var answer string
	cmd := &cobra.Command{
		Use: "parse SOURCE [ANSWER] FILE", Short: "Tell what is understood of a recording",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 && len(args) != 3 {
				return exitWith(exitUsage, "want SOURCE, ANSWER and FILE, or SOURCE and FILE")
			}
			return nil
		},
		Long: `Read a recording as the collector would read the device's answer, and print the facts that follow and every piece that was not understood.
Nothing is contacted or stored. FILE may be - for standard input.

Sources: ` + strings.Join(sources, ", ") + ". snmp reads .snmprec files and the text of snmpwalk -On; libvirt reads what virsh dumpxml and its relatives print;\n" +
			"ssh, san and cli read what a command of their lists printed, and have to be told which: throughline parse ssh ip-link FILE, parse san tgt-target FILE, or\n" +
			"parse cli ios-config FILE for the configuration of a switch or router." +
			exits(exitOK, exitFailed, exitUsage),
		ValidArgs: sources,
		RunE: func(cmd *cobra.Command, args []string) error {
			parse, ok := parsers()[args[0]]
			if !ok {
				return exitWith(exitUsage, "no source %q: want %s", args[0], strings.Join(sources, " or "))
			}
			file := args[len(args)-1]
			if len(args) == 3 {
				answer = args[1]
			}
			raw, err := readInput(cmd.Context(), cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			obs, unparsed, err := parse(answer, raw)
			var usage *exitError
			if errors.As(err, &usage) {
				return err
			}
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			return a.printParsed(obs, unparsed)
		},
	}
	cmd.Flags().StringVar(&answer, "answer", "auto", "which `ANSWER` the file holds: walk or snmprec for snmp, a root element such as domain for libvirt, a table such as ip-link for ssh or tgt-target for san, ios-config and others for cli")
	return cmd
}

// maxInput bounds what is read into memory.
const maxInput = 256 << 20

// readInput reads a file, or what comes in. Who writes at the other end may never end, so that the reading is left behind when ctx ends.
func readInput(ctx context.Context, stdin io.Reader, name string) ([]byte, error) {
	type read struct {
		raw []byte
		err error
	}
	done := make(chan read, 1)
	go func() {
		raw, err := readAll(stdin, name)
		done <- read{raw, err}
	}()
	select {
	case r := <-done:
		return r.raw, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", name, ctx.Err())
	}
}

func readAll(stdin io.Reader, name string) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // read only
		stdin = f
	}
	raw, err := io.ReadAll(io.LimitReader(stdin, maxInput+1))
	if err == nil && len(raw) > maxInput {
		return nil, fmt.Errorf("%s: longer than %d MiB", name, maxInput>>20)
	}
	return raw, err
}

type parsedTable struct {
	Table   string          `json:"table"`
	Rows    int             `json:"rows"`
	Partial bool            `json:"partial,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Facts   []topology.Fact `json:"facts"`
}

func (a *app) printParsed(obs []topology.Observation, unparsed []collectors.Unparsed) error {
	v := struct {
		Tables   []parsedTable         `json:"tables"`
		Unparsed []collectors.Unparsed `json:"unparsed"`
	}{[]parsedTable{}, unparsed}
	if v.Unparsed == nil {
		v.Unparsed = []collectors.Unparsed{}
	}
	for _, o := range obs {
		v.Tables = append(v.Tables, parsedTable{o.Reading.Table, o.Reading.Rows, o.Reading.Partial, o.Reading.Reason, append([]topology.Fact{}, o.Facts...)})
	}
	return a.print(v, func(w io.Writer) error {
		facts := 0
		for _, t := range v.Tables {
			if t.Rows == 0 && len(t.Facts) == 0 && !t.Partial {
				continue
			}
			fmt.Fprintf(w, "%s: %d rows\n", printable(t.Table), t.Rows)
			if t.Partial {
				fmt.Fprintf(w, "    PARTIAL: %s\n", printable(t.Reason))
			}
			for _, f := range t.Facts {
				fmt.Fprintf(w, "    %s\n", printable(f.String()))
			}
			facts += len(t.Facts)
		}
		for _, u := range v.Unparsed {
			fmt.Fprintf(w, "not understood: %s: %s: %s\n", printable(u.Where), printable(u.Text), printable(u.Why))
		}
		fmt.Fprintf(w, "%d facts, %d pieces not understood\n", facts, len(v.Unparsed))
		return nil
	})
}
