package neo4j

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/neo4j/neo4j-go-driver/v5/neo4j"
	"github.com/neo4j/neo4j-go-driver/v5/neo4j/config"
)

// Config says where Neo4j is and how it is written.
type Config struct {
	// URI is neo4j://HOST[:PORT], or bolt:// for this one server; with +s for TLS, with +ssc for a certificate that nobody has signed. User and
	// password are not part of it.
	URI string
	// User and Password sign in; the password is asked for once, when the connection is opened, and not kept. A nil Password: the server asks for none.
	User     string
	Password func() (string, error)
	// Database is named in every request. Empty: neo4j, the only one of the Community edition.
	Database string
	// Store names the embedded store whose graph this is: what another store has written is refused. The host and the path of its file do. Only Open needs it.
	Store string
	// Holder names this process to whoever finds the fence taken. Only Open uses it.
	Holder string
	// Rebuild lets Open take over what another store has written; the first Sync or Publish then wipes what is there and writes the whole graph.
	Rebuild bool
	// Timeout is how long one transaction is tried in the face of transient failures. 0: one minute. Reading the whole graph may take lookFactor
	// times as long.
	Timeout time.Duration
	// Lag is how far the time of a reading may fall behind before it is sent: readers see facts up to so much older than they are, never younger. Open needs
	// it; 0 sends all. DefaultLag is meant for operation.
	Lag time.Duration
	// Progress is told how many rows a big change has sent so far. It may be nil.
	Progress func(rows int)
}

const (
	// DefaultLag is the Lag for operation: a part of the default age limit of 15 minutes.
	DefaultLag = 5 * time.Minute

	defaultTimeout  = time.Minute
	lookFactor      = 10
	defaultDatabase = "neo4j"
	firstPause      = 100 * time.Millisecond // before the second try; doubled for each one after
	longestPause    = 2 * time.Second
)

// Sentinels that callers branch on, beside those of package store.
var (
	// ErrUnavailable: the server cannot be reached, or failed again and again for as long as Config.Timeout allows. It may be there again later.
	ErrUnavailable = errors.New("server is not available")
	// ErrAuth: the server refuses the user, the password, or what the user wants to do.
	ErrAuth = errors.New("server refuses the login")
	// ErrDatabase: there is no such database.
	ErrDatabase = errors.New("no such database")
	// ErrVersion: the server, or what stands in it, is of a version that this program does not know.
	ErrVersion = errors.New("version is not supported")
	// ErrFenced: another process took over writing. This one has to stop, or to Open again.
	ErrFenced = errors.New("another process writes this projection now")
	// ErrForeign: the graph there was written from another embedded store.
	ErrForeign = errors.New("the graph there is of another store")
	// ErrTaken: a node that is not ours stands where one of ours has to, under its label and id, or keeps a constraint from being made. It is left alone.
	ErrTaken = errors.New("somebody else's nodes are in the way")
	// ErrUnpublished: nothing was ever published there.
	ErrUnpublished = errors.New("nothing was published there yet")
	// ErrPending: a big change is not complete, and did not get so while a Reader waited.
	ErrPending = errors.New("a change is not complete there")
)

// client is a connection to one database, and the one place that retries.
type client struct {
	cfg     Config
	where   string // for people: URI and database
	driver  neo4j.DriverWithContext
	retries atomic.Int64
}

func dial(ctx context.Context, cfg Config) (*client, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Database == "" {
		cfg.Database = defaultDatabase
	}
	uri, err := parseURI(cfg.URI)
	if err != nil {
		return nil, err
	}
	token := neo4j.NoAuth()
	if cfg.Password != nil {
		password, err := cfg.Password()
		if err != nil {
			return nil, fmt.Errorf("neo4j at %s: password of %s: %w", uri, cfg.User, err)
		}
		token = neo4j.BasicAuth(cfg.User, password, "")
	}
	c := &client{cfg: cfg, where: fmt.Sprintf("neo4j at %s, database %s", uri, cfg.Database)}
	c.driver, err = neo4j.NewDriverWithContext(uri, token, func(dc *config.Config) {
		dc.SocketConnectTimeout = min(cfg.Timeout, 15*time.Second)
		dc.ConnectionAcquisitionTimeout = cfg.Timeout
		dc.TelemetryDisabled = true
		dc.UserAgent = "throughline"
		dc.FetchSize = 5000
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.where, err)
	}
	if err := c.retry(ctx, cfg.Timeout, c.checkVersion); err != nil {
		return nil, errors.Join(err, c.close(ctx))
	}
	return c, nil
}

func (c *client) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endLimit)
	defer cancel()
	return c.driver.Close(ctx)
}

// CheckURI tells what is wrong with the text of a Config.URI.
func CheckURI(text string) error {
	_, err := parseURI(text)
	return err
}

// parseURI checks the URI and puts in the port. Its errors do not repeat what may hold a password.
func parseURI(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("neo4j: the URI cannot be read: want neo4j://HOST[:PORT]")
	}
	if u.User != nil {
		return "", errors.New("neo4j: the URI holds a user: name user and password apart from it, want neo4j://HOST[:PORT]")
	}
	schemes := []string{"neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc"}
	if !slices.Contains(schemes, u.Scheme) || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("neo4j: URI %q: want neo4j://HOST[:PORT] (or bolt, or either with +s or +ssc), and no more", text)
	}
	host := u.Host
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", fmt.Errorf("neo4j: URI %q: port %s: want 1 to 65535", text, port)
		}
	} else {
		host = strings.TrimSuffix(host, ":") + ":7687"
	}
	return u.Scheme + "://" + host, nil
}

func (c *client) checkVersion(ctx context.Context) error {
	info, err := c.driver.GetServerInfo(ctx)
	if err != nil {
		return err
	}
	return supported(info.Agent())
}

// supported reads what a server calls itself: "Neo4j/5.26.9", of later years "Neo4j/2025.08.0".
func supported(agent string) error {
	number, ok := strings.CutPrefix(agent, "Neo4j/")
	major, _, _ := strings.Cut(number, ".")
	n, err := strconv.Atoi(major)
	if !ok || err != nil || n < 5 {
		return fmt.Errorf("%w: the server is %q, want Neo4j 5 or later", ErrVersion, agent)
	}
	return nil
}

// transaction is what the work of one gets: statements with parameters.
type transaction struct{ tx neo4j.ExplicitTransaction }

// run runs a statement and hands on its records.
func (t transaction) run(ctx context.Context, cypher string, params row, record func(values []any) error) error {
	result, err := t.tx.Run(ctx, cypher, params)
	if err != nil {
		return err
	}
	for result.Next(ctx) {
		if err := record(result.Record().Values); err != nil {
			return err
		}
	}
	return result.Err()
}

// exec runs a statement and gives the number in its one record, if it has one.
func (t transaction) exec(ctx context.Context, cypher string, params row) (int64, error) {
	var n int64
	err := t.run(ctx, cypher, params, func(values []any) error {
		n, _ = values[0].(int64)
		return nil
	})
	return n, err
}

// transact runs work in one transaction, and again after transient failures: work may run several times, and what it sends may have been
// committed before.
func (c *client) transact(ctx context.Context, mode neo4j.AccessMode, work func(context.Context, transaction) error) error {
	return c.retry(ctx, c.cfg.Timeout, func(ctx context.Context) error { return c.attempt(ctx, mode, c.cfg.Timeout, work) })
}

// look is transact for reading the whole graph.
func (c *client) look(ctx context.Context, mode neo4j.AccessMode, work func(context.Context, transaction) error) error {
	limit := lookFactor * c.cfg.Timeout
	return c.retry(ctx, limit, func(ctx context.Context) error { return c.attempt(ctx, mode, limit, work) })
}

func (c *client) attempt(ctx context.Context, mode neo4j.AccessMode, limit time.Duration, work func(context.Context, transaction) error) error {
	session := c.driver.NewSession(ctx, neo4j.SessionConfig{AccessMode: mode, DatabaseName: c.cfg.Database})
	// What ends a transaction that failed has a deadline of its own, since that of the work may be over.
	defer ending(ctx, session.Close) // the commit has told all there is to know
	tx, err := session.BeginTransaction(ctx, neo4j.WithTxTimeout(limit))
	if err != nil {
		return err
	}
	if err := work(ctx, transaction{tx}); err != nil {
		ending(ctx, tx.Rollback) // a broken connection rolls back, too
		return err
	}
	return tx.Commit(ctx)
}

// endLimit bounds what is said to a server at the end, when it may no longer answer.
const endLimit = 2 * time.Second

func ending(ctx context.Context, end func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endLimit)
	defer cancel()
	_ = end(ctx)
}

// retry is the one layer that retries. It gives up after limit.
func (c *client) retry(ctx context.Context, limit time.Duration, try func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pause := firstPause
	var last error
	for {
		err := try(limited)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return c.ended(ctx, last)
		}
		if limited.Err() == nil || last == nil { // what the deadline cut short says less than what went before
			last = err
		}
		if limited.Err() == nil && !transient(err) {
			return c.explain(err)
		}
		wait := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // spreads retries, guards nothing
		select {
		case <-limited.Done():
			wait.Stop()
			if ctx.Err() != nil {
				return c.ended(ctx, last)
			}
			return fmt.Errorf("%s: %w: gave up after %s: %w", c.where, ErrUnavailable, limit, last)
		case <-wait.C:
		}
		pause = min(2*pause, longestPause)
		c.retries.Add(1)
	}
}

// ended says that the caller gave up, after what had failed until then.
func (c *client) ended(ctx context.Context, last error) error {
	if last == nil {
		return fmt.Errorf("%s: %w", c.where, context.Cause(ctx))
	}
	return fmt.Errorf("%s: %w: %w", c.where, context.Cause(ctx), last)
}

// transient tells what may go well if it is tried again: what Neo4j classifies so, lost connections, and what a server says of the work at hand while it
// stops or starts, although it classifies that as an error of the client or of the database. A transaction that was terminated is among it, by an operator, too.
func transient(err error) bool {
	var answer *neo4j.Neo4jError
	if errors.As(err, &answer) {
		switch answer.Code {
		case "Neo.ClientError.Security.AuthenticationRateLimit", // of a user with whose name somebody else guesses, too
			"Neo.ClientError.Transaction.Terminated", "Neo.ClientError.Transaction.LockClientStopped",
			"Neo.DatabaseError.General.UnknownError", "Neo.DatabaseError.Statement.ExecutionFailed", "Neo.DatabaseError.Transaction.TransactionStartFailed",
			"Neo.DatabaseError.Transaction.TransactionCommitFailed", "Neo.DatabaseError.Transaction.TransactionRollbackFailed",
			"Neo.DatabaseError.Transaction.TransactionTerminationFailed", "Neo.DatabaseError.Transaction.LinkedTransactionError":
			return true
		}
		return answer.IsRetriable()
	}
	var lost *neo4j.ConnectivityError
	return errors.As(err, &lost) || neo4j.IsRetryable(err)
}

// codeConstraint comes with the label, the property and the value that two nodes share.
const codeConstraint = "Neo.DatabaseError.Schema.ConstraintCreationFailed"

// explain puts a name to what a server or the way to it says.
func (c *client) explain(err error) error {
	var answer *neo4j.Neo4jError
	var old *neo4j.UsageError
	var sentinel error
	switch {
	case errors.As(err, &answer):
		switch {
		case strings.HasPrefix(answer.Code, "Neo.ClientError.Security."):
			sentinel = ErrAuth
		case answer.Code == "Neo.ClientError.Database.DatabaseNotFound":
			sentinel = ErrDatabase
		case answer.Code == codeConstraint:
			sentinel = ErrTaken
		}
	case errors.As(err, &old):
		sentinel = ErrVersion
	}
	if sentinel != nil {
		return fmt.Errorf("%s: %w: %w", c.where, sentinel, err)
	}
	return fmt.Errorf("%s: %w", c.where, err)
}
