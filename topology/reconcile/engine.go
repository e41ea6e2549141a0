package reconcile

import (
	"fmt"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// Engine reconciles sweep after sweep. It gives what Reconcile gives, at a cost that is proportional to the observations and to what follows from their
// change, since it carries what it knows of the graph from one call to the next. It is for one goroutine at a time.
//
// It goes by the snapshot: if prev is the Next of its last result, it goes on from there; otherwise, as at first, or when a result could not be
// committed and the caller comes back with the older snapshot, it begins with prev anew.
type Engine struct {
	last    *topology.Snapshot // that everything below knows; nil for none
	devices *directory
	sources *sources
	rules   *graph
}

// NewEngine gives an engine that knows nothing yet.
func NewEngine() *Engine { return &Engine{} }

// Reconcile merges observations into the graph as it was. An unchanged sweep gives a delta that renews readings and touches no fact.
// The error is a defect of this package or a snapshot that is not what a store gave.
func (e *Engine) Reconcile(prev *topology.Snapshot, obs []topology.Observation, policy Policy, now time.Time) (Result, error) {
	if e.last == nil || e.last != prev {
		e.begin(prev)
	}
	e.last = nil // until all of it knows the next
	now = now.UTC().Truncate(time.Millisecond)
	var res Result
	obs = checked(obs, policy, &res)
	m := newMerge(prev, e.sources, identify(prev, e.devices, obs), now)
	m.expect(obs)
	if m.ids.renames() {
		m.rename()
	}
	for _, group := range byDeviceAndSource(obs) {
		m.session(group)
	}
	for _, handle := range policy.Retired {
		m.retire(handle)
	}
	res.Rejected = append(res.Rejected, m.rejected...)
	// First what sources say, then what follows; readings are forgotten at the end only, when no conclusion points to them any more.
	res.Delta = m.delta()
	places := sortBeside(res.Delta)
	learned := make(chan struct{})
	go func() {
		e.rules.follow(res.Delta)
		close(learned)
	}()
	mid, err := prev.Apply(res.Delta)
	<-learned
	if err != nil {
		return Result{}, fmt.Errorf("reconcile: merge: %w", err)
	}
	follows := e.rules.conclude(mid, now, res.Delta.Renew)
	whole := gatherBeside(res.Delta, places, follows)
	forget := m.unused()
	if d := (topology.Delta{Time: now, Remove: follows.remove, Add: follows.add, Forget: forget}); !d.Empty() {
		if mid, err = mid.Apply(d); err != nil {
			return Result{}, fmt.Errorf("reconcile: conclusions: %w", err)
		}
	}
	res.Next = mid.At(prev.Revision()+1, now)
	e.devices.follow(res.Next, changes{res.Delta.Remove, res.Delta.Add}, follows)
	sorted := <-whole
	res.Delta.Remove, res.Delta.Add, res.Delta.Forget = sorted.remove, sorted.add, forget
	e.sources.follow(res.Delta, m.digests)
	if e.last = res.Next; e.rules.keys.outgrown(res.Next.Len()) {
		e.last = nil
	}
	return res, nil
}

// places are those of the facts of a delta, in canonical order.
type places struct{ remove, add []int32 }

// sortBeside puts the facts of a delta into canonical order while the caller goes on with them as they are. No two of them have one identity.
func sortBeside(d topology.Delta) <-chan places {
	sorted := make(chan places, 1)
	go func() { sorted <- places{inOrderOf(d.Remove), inOrderOf(d.Add)} }()
	return sorted
}

// gatherBeside lists the facts of a delta in order, with those that follow, while the caller goes on with both as they are.
func gatherBeside(d topology.Delta, sorted <-chan places, follows changes) <-chan changes {
	whole := make(chan changes, 1)
	go func() {
		p := <-sorted
		whole <- changes{gathered(d.Remove, p.remove, follows.remove), gathered(d.Add, p.add, follows.add)}
	}()
	return whole
}

// begin learns all of a snapshot. What was concluded in it is concluded anew.
func (e *Engine) begin(prev *topology.Snapshot) {
	e.devices, e.sources, e.rules = newDirectory(), newSources(), newGraph()
	for _, r := range prev.Readings() {
		e.sources.renew(r.ReadingKey)
	}
	t := touched{set[topology.Key]{}, set[topology.Key]{}}
	for f := range prev.Facts() {
		e.devices.touch(prev, f, t)
		e.rules.touch(f, 1)
	}
	e.devices.refresh(prev, t)
}
