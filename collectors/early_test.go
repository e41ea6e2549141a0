package collectors_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// teller is a collector whose devices tell of changes.
type teller struct {
	collect
	changes func(ctx context.Context, d collectors.Device) (<-chan struct{}, error)
}

func (w teller) Changes(ctx context.Context, d collectors.Device) (<-chan struct{}, error) {
	return w.changes(ctx, d)
}

// TestEvery_readsEarlyWhatChanged gives the seconds at which one device is read in the first half of an hour, its turn being later.
func TestEvery_readsEarlyWhatChanged(t *testing.T) { //nolint:paralleltest // bubbles of time
	at := func(seconds ...int) []int { return seconds }
	for name, c := range map[string]struct { //nolint:paralleltest // likewise
		changes []int // seconds after the first reading
		takes   time.Duration
		lost    bool // the connection, after the last change
		err     error
		want    []int
	}{
		"nothing changes":                   {want: at(0)},
		"one change":                        {changes: at(100), want: at(0, 102)},
		"changes that come together":        {changes: at(100, 101, 101), want: at(0, 102)},
		"a change during the calm":          {changes: at(100, 101), want: at(0, 102)},
		"a change during the rest":          {changes: at(100, 105), want: at(0, 102, 112)},
		"a change while the device is read": {changes: at(100, 105), takes: 8 * time.Second, want: at(0, 102, 120)},
		"no events here":                    {err: collectors.ErrUnsupported, want: at(0)},
		"no connection":                     {err: errors.New("refused"), want: at(0)},
		"the connection is lost":            {changes: at(100), lost: true, want: at(0, 102)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
				defer cancel()
				start := time.Now()
				w := teller{
					collect: func(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
						if err := wait(ctx, c.takes); err != nil {
							return nil, err
						}
						return fine(ctx, d)
					},
					changes: func(ctx context.Context, _ collectors.Device) (<-chan struct{}, error) {
						if c.err != nil {
							return nil, c.err
						}
						changes := make(chan struct{}, 1)
						go func() {
							defer close(changes)
							for _, s := range c.changes {
								if wait(ctx, time.Until(start.Add(time.Duration(s)*time.Second))) == nil {
									select {
									case changes <- struct{}{}:
									default:
									}
								}
							}
							if !c.lost {
								<-ctx.Done()
							}
						}()
						return changes, nil
					},
				}
				var got []int
				for batch := range runner(w, collectors.Options{}).Every(ctx, devices(1), time.Hour) {
					for _, o := range batch {
						if o.Status != collectors.StatusStopped {
							got = append(got, int(o.Began.Sub(start).Seconds()))
						}
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("the device is read at %d s, want %d s", got, c.want)
				}
			})
		})
	}
}

// TestEvery_watchesOnlySoMany opens no more connections than it is told.
func TestEvery_watchesOnlySoMany(t *testing.T) { //nolint:paralleltest // a bubble of time
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		watched := make(chan string, 10)
		w := teller{collect: fine, changes: func(ctx context.Context, d collectors.Device) (<-chan struct{}, error) {
			watched <- d.Handle
			changes := make(chan struct{})
			context.AfterFunc(ctx, func() { close(changes) })
			return changes, nil
		}}
		for range runner(w, collectors.Options{Early: collectors.EarlyPolicy{Most: 3}}).Every(ctx, devices(5), time.Hour) {
		}
		if n := len(watched); n != 3 {
			t.Errorf("%d devices are watched, want 3", n)
		}
	})
}
