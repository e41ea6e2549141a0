package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/internal/config"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
	"github.com/throughline-dc/throughline/topology/store/neo4j"
)

// neo4jFlags say how to sign in to Neo4j, for reading and for publishing.
type neo4jFlags struct {
	user, passwordFile string
}

const defaultNeo4jUser = "neo4j"

// isNeo4j knows the schemes of the driver: with +s for TLS, with +ssc for a certificate that nobody has signed.
func isNeo4j(where string) bool {
	scheme, _, ok := strings.Cut(where, "://")
	base, security, _ := strings.Cut(scheme, "+")
	return ok && (base == "neo4j" || base == "bolt") && (security == "" || security == "s" || security == "ssc")
}

// neo4jConfig reads neo4j://HOST[:PORT][/DATABASE] and the login beside it.
func (a *app) neo4jConfig(where string) (neo4j.Config, error) {
	u, err := url.Parse(where)
	if err != nil || u.Host == "" || !isNeo4j(where) {
		return neo4j.Config{}, exitWith(exitUsage, "%q: want neo4j://HOST[:PORT][/DATABASE], or neo4j+s:// for TLS", redactURL(where))
	}
	if u.User != nil {
		return neo4j.Config{}, exitWith(exitUsage, "%q: a login has no place in a URI: use --neo4j-user and --neo4j-password FILE", redactURL(where))
	}
	c := neo4j.Config{URI: u.Scheme + "://" + u.Host, Database: strings.Trim(u.Path, "/"), Lag: neo4j.DefaultLag}
	if strings.ContainsAny(where, "?#") || strings.Contains(c.Database, "/") {
		return neo4j.Config{}, exitWith(exitUsage, "%q: want neo4j://HOST[:PORT][/DATABASE], and no more", redactURL(where))
	}
	if err := neo4j.CheckURI(c.URI); err != nil {
		return neo4j.Config{}, &exitError{exitUsage, err}
	}
	if a.neo4j.passwordFile == "" && a.neo4j.user != defaultNeo4jUser {
		return neo4j.Config{}, exitWith(exitUsage, "--neo4j-user %s: --neo4j-password FILE is missing", a.neo4j.user)
	}
	if a.neo4j.passwordFile != "" {
		c.User = a.neo4j.user
		c.Password = func() (string, error) {
			secret, err := config.SecretFile(a.neo4j.passwordFile)
			return secret.Reveal(), err
		}
	}
	return c, nil
}

// redactURL takes out what may be a password.
func redactURL(where string) string {
	if i := strings.IndexAny(where, "?#"); i >= 0 && strings.Contains(where[:i], "://") {
		where = where[:i+1] + "…"
	}
	scheme, rest, _ := strings.Cut(where, "://")
	if _, host, ok := strings.Cut(rest, "@"); ok {
		return scheme + "://…@" + host
	}
	return where
}

// storeName names an embedded store to whoever publishes to the same Neo4j: by the machine and the whole path of its file. Stores in memory have one name, since
// each begins with nothing: a new one takes the place of the one before, whose graph nothing can bring back.
func storeName(where string) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("this machine does not tell its name: %w", err)
	}
	kind, file := storeKind(where)
	if kind == "memory" {
		return host + ":memory", nil
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return "", fmt.Errorf("store %s: %w", where, err)
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return host + ":" + path, nil
}

// openProjector takes the fence of a Neo4j for the embedded store that history reads. replace lets it write over what another store has published.
func (a *app) openProjector(ctx context.Context, to string, history store.Reader, replace bool) (*neo4j.Projector, error) {
	c, err := a.neo4jConfig(to)
	if err != nil {
		return nil, err
	}
	if c.Store, err = storeName(a.store); err != nil {
		return nil, err
	}
	if err := reachable(ctx, c); err != nil {
		return nil, fmt.Errorf("--publish: %w", err)
	}
	c.Rebuild, c.Timeout = replace, patience
	c.Progress = func(rows int) { a.log.Info("publishing", "rows", rows) }
	p, err := neo4j.Open(ctx, c, history)
	if err != nil {
		return nil, fmt.Errorf("--publish: %w", err)
	}
	return p, nil
}

const (
	impatience = 10 * time.Second // while somebody waits for an answer
	patience   = 5 * time.Minute  // of one transaction that is sent beside the sweeps
)

// reachable tells soon that nobody answers, or refuses the login.
func reachable(ctx context.Context, c neo4j.Config) error {
	c.Timeout = impatience
	r, err := neo4j.OpenReader(ctx, c)
	switch {
	case err == nil:
		return r.Close() //nolint:contextcheck // closing has a deadline of its own
	case errors.Is(err, neo4j.ErrUnpublished), errors.Is(err, neo4j.ErrVersion): // to be filled, or to be replaced
		return nil
	}
	return err
}

// publisher sends each commit to Neo4j while the sweeps go on: they never wait for it. If Neo4j is away or slow, the embedded store goes on alone, and
// what was missed is sent as one difference later.
type publisher struct {
	open      func(context.Context) (*neo4j.Projector, error)
	projector *neo4j.Projector // nil until it could be opened
	log       *slog.Logger
	retry     time.Duration    // between tries while Neo4j is away; after what does not pass by itself, retryError times as long
	took      time.Duration    // of all that was sent
	first     func(sentReport) // called once, after the first revision was published

	mu     sync.Mutex
	queue  []published // not yet sent, oldest first
	behind bool        // queue is not all that was committed
	wake   chan struct{}
	done   chan struct{}
	err    error // of the last try
}

// published is one commit.
type published struct {
	next  *topology.Snapshot
	delta topology.Delta
}

const (
	mostQueued = 64 // commits; beyond, their sum is found by comparing
	retryError = 6  // times publisher.retry
)

func newPublisher(open func(context.Context) (*neo4j.Projector, error), log *slog.Logger) *publisher {
	return &publisher{
		open: open, log: log, retry: 10 * time.Second, behind: true,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// committed takes note of a commit.
func (p *publisher) committed(next *topology.Snapshot, d topology.Delta) {
	p.mu.Lock()
	if len(p.queue) == mostQueued {
		p.queue, p.behind = nil, true
	}
	if !p.behind {
		p.queue = append(p.queue, published{next, d})
	}
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends.
func (p *publisher) run(ctx context.Context) {
	defer close(p.done)
	for {
		var again <-chan time.Time
		wake := p.wake
		err := p.send(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, neo4j.ErrFenced):
			p.log.Error("publishing has ended; collecting goes on", "err", err)
			return
		case err != nil:
			level, pause := slog.LevelWarn, p.retry
			if !errors.Is(err, neo4j.ErrUnavailable) { // somebody has to do something
				level, pause = slog.LevelError, retryError*p.retry
			}
			p.log.Log(ctx, level, "Neo4j is behind; collecting goes on", "err", err, "next_try", pause)
			again, wake = time.After(pause), nil
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-again:
		}
	}
}

// send brings Neo4j to the newest commit.
func (p *publisher) send(ctx context.Context) (err error) {
	began := time.Now()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.took += time.Since(began)
		if p.err = err; err != nil {
			p.queue, p.behind = nil, true
		}
	}()
	if p.projector == nil {
		if p.projector, err = p.open(ctx); err != nil {
			return err
		}
	}
	for {
		p.mu.Lock()
		behind := p.behind
		var first published
		if !behind && len(p.queue) == 0 {
			p.mu.Unlock()
			p.tellFirst(began)
			return nil
		}
		if behind { // what is committed from now on is queued
			p.behind = false
		} else {
			first, p.queue = p.queue[0], p.queue[1:]
		}
		p.mu.Unlock()
		switch {
		case behind:
			err = p.projector.Sync(ctx)
		case first.next.Revision() > p.projector.Revision():
			err = p.projector.Publish(ctx, first.next, first.delta)
		}
		if err != nil {
			return err
		}
	}
}

// tellFirst calls first as soon as a revision was published.
func (p *publisher) tellFirst(began time.Time) {
	if p.first == nil || p.projector.Revision() == 0 {
		return
	}
	p.first(*p.sent(p.took + time.Since(began)))
	p.first = nil
}

// finish sends what is left, for as long as ctx allows, and closes. The error says why Neo4j is not at the newest revision.
func (p *publisher) finish(ctx context.Context, stop context.CancelFunc) (*sentReport, error) {
	stop()
	<-p.done
	err := p.err
	if !errors.Is(err, neo4j.ErrFenced) {
		err = p.send(ctx)
	}
	if p.projector == nil {
		return nil, err
	}
	return p.sent(p.took), errors.Join(err, p.projector.Close()) //nolint:contextcheck // it has a deadline of its own
}

func (a *app) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "store", Short: "Work with the stores themselves", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var to string
	rebuild := &cobra.Command{
		Use: "rebuild --publish neo4j://HOST", Short: "Fill a Neo4j from the embedded store", Args: noArgs,
		Long: `Wipe what Throughline has published in a Neo4j, whoever did it, and write the newest revision of the embedded store there. Nodes that others keep in
the same database stay. The embedded store is only read: a collect that writes it may run on, but it ends publishing when this takes over:
start it again to go on.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing),
		Example: "  throughline store rebuild --store throughline.db --publish neo4j+s://graph.example.net --neo4j-password graph.secret",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.rebuild(cmd.Context(), to) },
	}
	rebuild.Flags().StringVar(&to, "publish", "", "`URI` of the Neo4j: neo4j://HOST[:PORT][/DATABASE] (required)")
	cmd.AddCommand(rebuild)
	return cmd
}

func (a *app) rebuild(ctx context.Context, to string) error {
	if err := a.noPast(""); err != nil {
		return err
	}
	if to == "" {
		return exitWith(exitUsage, "--publish neo4j://HOST is missing")
	}
	if kind, _ := storeKind(a.store); kind != "sqlite" {
		return exitWith(exitUsage, "--store %q: want the file of the embedded store", redactURL(a.store))
	}
	history, err := a.openReader(ctx)
	if err != nil {
		return err
	}
	defer history.Close() //nolint:errcheck // read only: nothing can be lost
	newest, err := history.Snapshot(ctx, 0)
	if err != nil {
		return err
	}
	if newest.Revision() == 0 {
		return exitWith(exitNothing, "store %s holds nothing yet: run throughline collect --inventory FILE first", a.store)
	}
	p, err := a.openProjector(ctx, to, history, true)
	if err != nil {
		return err
	}
	if err := errors.Join(p.Sync(ctx), p.Close()); err != nil { //nolint:contextcheck // closing has a deadline of its own
		return fmt.Errorf("publish: %w", err)
	}
	sent := p.Stats()
	report := map[string]int{"revision": int(newest.Revision()), "nodes": sent.Nodes, "relations": sent.Edges, "readings": sent.Readings}
	return a.print(report, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "published revision @%d: %d nodes, %d relations, %d readings\n", newest.Revision(), sent.Nodes, sent.Edges, sent.Readings)
		return err
	})
}

const (
	lastTry = 10 * time.Minute // for what is not sent yet when the last sweep is done
	grace   = 10 * time.Second // for the same, after a signal to stop
)

var errGrace = errors.New("no time was left after the signal to stop")

// lingering gives a context that lives on after ctx ends, but not longer than grace then, and never longer than limit.
func lingering(ctx context.Context, limit, grace time.Duration) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	last, giveUp := context.WithCancelCause(limited)
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			giveUp(errGrace)
		case <-last.Done():
		}
	})
	return last, func() {
		stop()
		giveUp(nil)
		cancel()
	}
}

// sentReport is what was published while the program ran.
type sentReport struct {
	Nodes     int     `json:"nodes"`
	Relations int     `json:"relations"`
	Seconds   float64 `json:"seconds"`
}

// sent tells what was published in a time.
func (p *publisher) sent(took time.Duration) *sentReport {
	s := p.projector.Stats()
	return &sentReport{s.Nodes + s.NodesDropped, s.Edges + s.EdgesDropped, took.Round(10 * time.Millisecond).Seconds()}
}

// publishFrom lets a sweeper's commits be published. The function that it gives ends that: it sends what is left, and tells what was sent in all.
//
// A Neo4j that is away does not keep anybody from collecting. One that refuses the login, or holds the graph of another store, is told before the sweep;
// with --every, collecting goes on nevertheless, and so do the tries.
func (a *app) publishFrom(ctx context.Context, sw *sweeper, f collectFlags) (finish func() (*sentReport, error), err error) {
	if _, err := a.neo4jConfig(f.publish); err != nil {
		return nil, err
	}
	p := newPublisher(func(ctx context.Context) (*neo4j.Projector, error) {
		return a.openProjector(ctx, f.publish, sw.store, f.replace)
	}, a.log)
	if f.every > 0 {
		said := slog.New(slog.NewTextHandler(a.errs, nil)) // once, also without --verbose
		p.first = func(sent sentReport) {
			said.Info("published", "revision", p.projector.Revision(), "nodes", sent.Nodes, "relations", sent.Relations, "seconds", sent.Seconds)
		}
	} else if p.projector, err = p.open(ctx); err != nil {
		if !errors.Is(err, neo4j.ErrUnavailable) {
			return nil, err
		}
		a.log.Warn("collecting goes on without Neo4j", "err", err)
		p.projector = nil
	}
	sw.committed = p.committed
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	go p.run(running)
	return func() (*sentReport, error) {
		last, cancel := lingering(ctx, lastTry, grace)
		defer cancel()
		return p.finish(last, stop)
	}, nil
}
