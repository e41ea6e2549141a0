package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
	"github.com/throughline-dc/throughline/topology/store"
)

// sweeper is the one loop of the program: what the runner brings is reconciled with the newest snapshot and committed. Nothing else calls reconcile.
type sweeper struct {
	store  store.Store
	runner *collectors.Runner
	now    func() time.Time
	policy reconcile.Policy
	engine *reconcile.Engine // goes from current to the next

	current *topology.Snapshot
	summary collectors.Summary
	added   int // facts
	removed int // facts
	commits int
	reject  func(reconcile.Rejected) // told of facts that the model does not allow

	committed func(*topology.Snapshot, topology.Delta) // told of each commit after it is durable
	sent      *sentReport                              // what was published of it, if anything
}

func newSweeper(ctx context.Context, st store.Store, runner *collectors.Runner, now func() time.Time) (*sweeper, error) {
	current, err := st.Snapshot(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("read the newest revision: %w", err)
	}
	return &sweeper{
		store: st, runner: runner, now: now, engine: reconcile.NewEngine(), current: current,
		reject: func(reconcile.Rejected) {}, committed: func(*topology.Snapshot, topology.Delta) {},
	}, nil
}

// manual gives what the inventory says by hand, as seen at a time.
type manual func(now time.Time) []topology.Observation

// once reads every device once and commits what comes, batch by batch, so that what is read is kept whatever happens later.
func (s *sweeper) once(ctx context.Context, devices []collectors.Device, byHand manual) error {
	return s.each(ctx, s.runner.Sweep(ctx, devices), byHand, math.MaxInt64)
}

// every reads again and again until ctx ends.
func (s *sweeper) every(ctx context.Context, devices []collectors.Device, byHand manual, interval time.Duration) error {
	return s.each(ctx, s.runner.Every(ctx, devices, interval), byHand, interval)
}

// each commits batches as they come. What the inventory says by hand goes with the first and is renewed once in an interval.
func (s *sweeper) each(ctx context.Context, batches func(func(collectors.Batch) bool), byHand manual, interval time.Duration) error {
	// What was read before somebody pressed Ctrl-C is kept: commits have a context of their own.
	ctx = context.WithoutCancel(ctx)
	var renewed time.Time
	for batch := range batches {
		obs := batch.Observations()
		if now := s.now(); renewed.IsZero() || now.Sub(renewed) >= interval {
			renewed = now
			obs = append(obs, byHand(now)...)
		}
		for _, o := range batch {
			s.summary.Add(o)
		}
		if err := s.merge(ctx, obs); err != nil {
			return err
		}
	}
	if renewed.IsZero() {
		return s.merge(ctx, byHand(s.now()))
	}
	return nil
}

func (s *sweeper) merge(ctx context.Context, obs []topology.Observation) error {
	if len(obs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	res, err := s.engine.Reconcile(s.current, obs, s.policy, s.now())
	if err != nil {
		return err
	}
	for _, r := range res.Rejected {
		s.reject(r)
	}
	if res.Delta.Empty() {
		return nil
	}
	rev, err := s.store.Commit(ctx, s.current.Revision(), res.Delta)
	if err != nil {
		s.engine = reconcile.NewEngine() // it knows a graph that the store does not have
		return fmt.Errorf("commit: %w", err)
	}
	s.current = res.Next.At(rev, res.Delta.Time)
	s.added += len(res.Delta.Add)
	s.removed += len(res.Delta.Remove)
	s.commits++
	s.committed(s.current, res.Delta)
	return nil
}

// retire takes out what the readings of devices say.
func (s *sweeper) retire(ctx context.Context, handles []string) error {
	s.policy.Retired = handles
	res, err := s.engine.Reconcile(s.current, nil, s.policy, s.now())
	if err != nil || res.Delta.Empty() {
		return err
	}
	if _, err := s.store.Commit(ctx, s.current.Revision(), res.Delta); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.removed = len(res.Delta.Remove)
	return nil
}
