package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/internal/config"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

// Exit codes. Every help text repeats those that its command uses.
const (
	exitOK      = 0
	exitFailed  = 1 // something went wrong that no other code says
	exitUsage   = 2 // wrong words on the command line, or an inventory with errors
	exitPartial = 3 // some devices could not be read whole; the rest is stored
	exitNothing = 4 // nothing answers to the name, or there is nothing stored yet
	exitSeveral = 5 // several things answer to the name; they are listed
	exitDiffers = 6 // diff found differences

	exitBlock   = 10 // a check blocks what was asked about; passes and warnings are 0
	exitUnknown = 11 // nothing blocks it, and something is not known that decides
	exitStale   = 12 // the VM has moved while the answer was made
)

// exitError carries an exit code with the error that is shown, if there is one.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exitWith(code int, format string, args ...any) error {
	if format == "" {
		return &exitError{code: code}
	}
	return &exitError{code, fmt.Errorf(format, args...)}
}

// app holds what the commands share: streams and global flags.
type app struct {
	out, errs io.Writer
	store     string
	at        string
	output    string
	maxAge    time.Duration
	limitsOf  string // inventory whose age limits count
	policyOf  string // file of the policy that counts
	neo4j     neo4jFlags

	inventoryLimits *topology.AgeLimits
	policy          *config.Policy // of policyOf; without that, what each check says by itself
	verbose         bool
	log             *slog.Logger
	now             func() time.Time
}

// run is the whole program but for the process: tests call it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{out: stdout, errs: stderr, now: time.Now}
	root := a.command() //nolint:contextcheck // the commands get ctx from ExecuteContext
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintln(stderr, "throughline: "+printableLines(exit.Error()))
		}
		return exit.code
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "throughline: stopped")
		return exitFailed
	}
	fmt.Fprintln(stderr, "throughline: "+printableLines(err.Error()))
	return exitFailed
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "throughline",
		Short: "Show the whole path of a virtual machine, to its network and to its storage",
		Long: `Throughline reads hypervisors and switches into one graph of end-to-end paths and keeps its history.

Start with:  throughline demo
Then:        throughline collect --inventory FILE
             throughline path VM`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelWarn
			if a.verbose {
				level = slog.LevelDebug
			}
			a.log = slog.New(slog.NewTextHandler(a.errs, &slog.HandlerOptions{Level: level}))
			switch a.output {
			case "table", "json", "yaml":
				return nil
			}
			return exitWith(exitUsage, "--output %q: want table, json or yaml", a.output)
		},
	}
	// Words that no command takes are wrong usage; without any, the help is shown.
	root.Args, root.RunE = noArgs, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return exitWith(exitUsage, "%w", err) })
	flags := root.PersistentFlags()
	flags.StringVar(&a.store, "store", "throughline.db", "where the graph is kept: a `FILE`, sqlite:FILE, memory:, or neo4j://HOST[/DATABASE] to read what is published there")
	flags.StringVar(&a.neo4j.user, "neo4j-user", defaultNeo4jUser, "sign in to Neo4j as this `NAME`")
	flags.StringVar(&a.neo4j.passwordFile, "neo4j-password", "", "`FILE` with the password for Neo4j, mode 0600 (default: the server asks for none)")
	flags.StringVar(&a.at, "at", "", "look at the graph as it was: a `TIME` (2026-01-31T18:00:00Z, \"2026-01-31 18:00\"), how long ago (2h, 30d), or a revision (@12)")
	flags.StringVarP(&a.output, "output", "o", "table", "`FORM` of the output: table, json or yaml")
	flags.DurationVar(&a.maxAge, "max-age", topology.DefaultAgeLimit, "older facts are stale")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "tell on standard error what is done")
	root.AddCommand(a.collectCommand(), a.inventoryCommand(), a.showCommand(), a.pathCommand(), a.reachCommand(), a.explainCommand(), a.impactCommand(), a.checkCommand(), a.matrixCommand(), a.policyCommand(), a.parseCommand(), a.diffCommand(),
		a.exportCommand(), a.forgetCommand(), a.storeCommand(), a.demoCommand(), a.labCommand(), a.versionCommand())
	return root
}

// exits words the exit codes of a command for its help.
func exits(codes ...int) string {
	words := map[int]string{
		exitOK: "done", exitFailed: "failed", exitUsage: "wrong usage or a faulty inventory", exitPartial: "some devices could not be read whole",
		exitNothing: "nothing found", exitSeveral: "several things answer to the name; they are listed", exitDiffers: "there are differences",
		exitBlock: "a check blocks it", exitUnknown: "something is not known that decides",
		exitStale: "the VM has moved while the answer was made: ask again",
	}
	var b strings.Builder
	b.WriteString("\n\nExit codes:")
	for _, c := range codes {
		fmt.Fprintf(&b, "\n  %-2d %s", c, words[c])
	}
	return b.String()
}

// snapshot opens the store for reading and gives the graph at the time asked for. The store is closed again: a snapshot stands alone.
func (a *app) snapshot(ctx context.Context) (*topology.Snapshot, error) {
	return a.snapshotAt(ctx, a.at)
}

func (a *app) snapshotAt(ctx context.Context, when string) (*topology.Snapshot, error) {
	r, err := a.openReader(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // read only: nothing can be lost
	rev, at, err := a.parseWhen(when)
	if err != nil {
		return nil, err
	}
	var s *topology.Snapshot
	if at.IsZero() {
		s, err = r.Snapshot(ctx, rev)
	} else {
		s, err = store.At(ctx, r, at)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, a.outOfRange(ctx, r, when)
	}
	if err != nil {
		return nil, err
	}
	if s.Revision() == 0 {
		return nil, exitWith(exitNothing, "store %s holds nothing yet: run throughline collect --inventory FILE first", a.store)
	}
	return s, nil
}

// outOfRange says what the store does hold.
func (a *app) outOfRange(ctx context.Context, r store.Reader, when string) error {
	infos, err := r.Revisions(ctx, time.Time{})
	if err != nil || len(infos) == 0 {
		return exitWith(exitNothing, "store %s holds nothing yet: run throughline collect --inventory FILE first", a.store)
	}
	first, last := infos[0], infos[len(infos)-1]
	return exitWith(exitNothing, "store %s has nothing for --at %s: it holds revisions @%d (%s) to @%d (%s)", a.store, when,
		first.Revision, first.Time.Local().Format(time.DateTime), last.Revision, last.Time.Local().Format(time.DateTime))
}

// parseWhen reads a time, an age or a revision; all zero means the newest.
func (a *app) parseWhen(text string) (topology.Revision, time.Time, error) {
	if text == "" {
		return 0, time.Time{}, nil
	}
	if rev, ok := strings.CutPrefix(text, "@"); ok {
		n, err := strconv.ParseUint(rev, 10, 63)
		if err != nil || n == 0 {
			return 0, time.Time{}, exitWith(exitUsage, "time %q: want a revision such as @12", text)
		}
		return topology.Revision(n), time.Time{}, nil
	}
	if d, err := parseAge(strings.TrimSuffix(strings.TrimSpace(text), " ago")); err == nil {
		return 0, a.now().Add(-d.Abs()), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return 0, t, nil
	}
	for _, form := range []string{time.DateTime, "2006-01-02 15:04", time.DateOnly, "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return 0, t, nil
		}
	}
	return 0, time.Time{}, exitWith(exitUsage, "time %q: want 2026-01-31T18:00:00Z, \"2026-01-31 18:00\", 2h, 30d, or a revision such as @12", text)
}

// when is "now" for ages: the time asked about, or that of the revision, else the clock.
func (a *app) when(s *topology.Snapshot) time.Time {
	if a.at == "" {
		return a.now()
	}
	if _, at, err := a.parseWhen(a.at); err == nil && !at.IsZero() && at.After(s.Time()) {
		return at
	}
	return s.Time()
}

// noPast refuses --at for a command that it would not change: whoever gives it believes otherwise.
func (a *app) noPast(instead string) error {
	if a.at == "" {
		return nil
	}
	return exitWith(exitUsage, "--at does not go with this command%s", instead)
}

// parseAge reads a duration that may be given in days, too: 30d.
func parseAge(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	return time.ParseDuration(text)
}

// limits gives the age limits: those of an inventory if one is named, else one for all tables.
func (a *app) limits() topology.AgeLimits {
	if a.inventoryLimits != nil {
		return *a.inventoryLimits
	}
	return topology.AgeLimits{Default: a.maxAge}
}

// limitsFlag lets a command take the age limits from an inventory.
func (a *app) limitsFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.limitsOf, "inventory", "i", "", "take the age limits from this inventory `FILE` instead of --max-age")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if a.limitsOf == "" {
			return nil
		}
		inv, err := a.inventory(cmd.Context(), a.limitsOf)
		if err != nil {
			return err
		}
		limits := inv.Limits()
		a.inventoryLimits = &limits
		return nil
	}
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version and what this build can read", Args: noArgs,
		Long: "Print the version and what this build can read." + exits(exitOK),
		RunE: func(*cobra.Command, []string) error {
			version, revision := "devel", ""
			if info, ok := debug.ReadBuildInfo(); ok {
				if v := info.Main.Version; v != "" && v != "(devel)" {
					version = v
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = s.Value
					}
				}
			}
			v := versionInfo{Version: version, Revision: revision, Sources: sourcesOfBuild()}
			return a.print(v, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "throughline %s %s\nsources: %s\n", v.Version, v.Revision, strings.Join(v.Sources, ", "))
				return err
			})
		},
	}
}

type versionInfo struct {
	Version  string   `json:"version"`
	Revision string   `json:"revision,omitempty"`
	Sources  []string `json:"sources"`
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return exitWith(exitUsage, "unexpected %q", args[0])
	}
	return nil
}

func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return exitWith(exitUsage, "want %s", what)
		}
		return nil
	}
}

// terminalWidth gives the columns of the terminal behind a writer, 0 if it is none.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	return columnsOf(f)
}
