// Package reconcile turns what sources say into one graph: it finds out which names mean one thing (identity), replaces what a table said
// by what it says now (merge), and concludes what no device says alone (links, subnets, distributed LAGs).
//
// It is pure: the same snapshot, observations, policy and time give the same delta, whatever the order of the observations.
package reconcile

import (
	"fmt"
	"slices"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// Policy is what an operator decides about merging.
type Policy struct {
	// Retired names inventory handles whose readings and facts are to go: devices taken out of service.
	Retired []string
}

// Rejected is a fact that the model does not allow: a defect of the collector that sent it. It is reported, the rest is used.
type Rejected struct {
	Reading topology.ReadingKey
	Fact    topology.Fact
	Err     error
}

// Result is what one call concludes.
type Result struct {
	Delta    topology.Delta
	Rejected []Rejected
	Next     *topology.Snapshot // the snapshot that the delta leads to, under the revision after prev's
}

// Reconcile merges observations into the graph as it was. An unchanged sweep gives a delta that renews readings and touches no fact.
// The error is a defect of this package or a snapshot that is not what a store gave.
func Reconcile(prev *topology.Snapshot, obs []topology.Observation, policy Policy, now time.Time) (Result, error) {
	now = now.UTC().Truncate(time.Second)
	obs = slices.Clone(obs)
	slices.SortStableFunc(obs, func(a, b topology.Observation) int { return a.Reading.Compare(b.Reading.ReadingKey) })
	var res Result
	obs = checked(obs, &res)
	ids := identify(prev, obs)
	m := newMerge(prev, now)
	m.rename(ids)
	for _, group := range byDeviceAndSource(obs) {
		m.session(group, ids)
	}
	for _, handle := range policy.Retired {
		m.retire(handle)
	}
	mid, err := prev.Apply(m.delta(false))
	if err != nil {
		return Result{}, fmt.Errorf("reconcile: merge: %w", err)
	}
	m.conclusions(mid, conclude(mid))
	res.Delta = m.delta(true)
	if res.Next, err = prev.Apply(res.Delta); err != nil {
		return Result{}, fmt.Errorf("reconcile: conclusions: %w", err)
	}
	return res, nil
}

// checked drops what the model does not allow and notes it.
func checked(obs []topology.Observation, res *Result) []topology.Observation {
	for i := range obs {
		good := make([]topology.Fact, 0, len(obs[i].Facts))
		for _, f := range obs[i].Facts {
			if err := f.Check(); err != nil {
				res.Rejected = append(res.Rejected, Rejected{obs[i].Reading.ReadingKey, f, err})
				continue
			}
			good = append(good, f)
		}
		obs[i].Facts = good
	}
	return obs
}

func byDeviceAndSource(obs []topology.Observation) [][]topology.Observation {
	var groups [][]topology.Observation
	for _, o := range obs {
		if n := len(groups); n > 0 && groups[n-1][0].Reading.Device == o.Reading.Device && groups[n-1][0].Reading.Source == o.Reading.Source {
			groups[n-1] = append(groups[n-1], o)
			continue
		}
		groups = append(groups, []topology.Observation{o})
	}
	return groups
}
