// Package reconcile turns what sources say into one graph: it finds out which names mean one thing (identity), replaces what a table said
// by what it says now (merge), and concludes what no device says alone (links, subnets, distributed LAGs).
//
// It is pure: the same snapshot, observations, policy and time give the same delta, whatever the order of the observations.
package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// Policy is what an operator decides about merging.
type Policy struct {
	// Retired names inventory handles whose readings and facts are to go: devices taken out of service.
	Retired []string
}

// Rejected is a fact that the model does not allow: a defect of the collector that sent it, or of one that says of what kind a device is. It is
// reported, the rest is used. A reading that is not allowed is rejected with all its facts; Fact is zero then.
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

// Reconcile merges observations into the graph as it was, as an Engine does that knows nothing of it. An unchanged sweep gives a delta that renews readings
// and touches no fact. The error is a defect of this package or a snapshot that is not what a store gave.
func Reconcile(prev *topology.Snapshot, obs []topology.Observation, policy Policy, now time.Time) (Result, error) {
	return NewEngine().Reconcile(prev, obs, policy, now)
}

// checked puts the observations in order, one of each reading, without those of retired devices, and drops and notes what the model does not
// allow.
func checked(all []topology.Observation, policy Policy, res *Result) []topology.Observation {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b topology.Observation) int {
		return cmp.Or(a.Reading.Compare(b.Reading.ReadingKey), a.Reading.Time.Compare(b.Reading.Time))
	})
	obs := make([]topology.Observation, 0, len(all))
	for _, o := range all {
		o.Reading.Reason, o.Reading.Command = topology.Text([]byte(o.Reading.Reason)), topology.Text([]byte(o.Reading.Command))
		if err := o.Reading.Check(); err != nil {
			res.Rejected = append(res.Rejected, Rejected{Reading: o.Reading.ReadingKey, Err: err})
			continue
		}
		if slices.Contains(policy.Retired, o.Reading.Device) {
			continue
		}
		o.Facts = res.good(o)
		if n := len(obs); n > 0 && obs[n-1].Reading.ReadingKey == o.Reading.ReadingKey {
			o.Facts = slices.Concat(obs[n-1].Facts, o.Facts)
			obs = obs[:n-1]
		}
		obs = append(obs, o)
	}
	return obs
}

// good gives the facts of an observation that are allowed, and notes the others.
func (res *Result) good(o topology.Observation) []topology.Fact {
	for i, f := range o.Facts {
		if allowed(f) == nil {
			continue
		}
		good := slices.Clone(o.Facts[:i])
		for _, f := range o.Facts[i:] {
			if err := allowed(f); err != nil {
				res.Rejected = append(res.Rejected, Rejected{o.Reading.ReadingKey, f, err})
				continue
			}
			good = append(good, f)
		}
		return good
	}
	return o.Facts
}

// allowed checks a fact as a collector sent it.
func allowed(f topology.Fact) error {
	for _, k := range []topology.Key{f.Subject, f.Object} {
		if k.ID == "@" || strings.HasPrefix(k.ID, "@/") {
			return fmt.Errorf("%w: %s is local to no device", topology.ErrSchema, k)
		}
	}
	if f.Attr == topology.AttrHandle {
		return fmt.Errorf("%w: %s: handles are stated by reconcile alone", topology.ErrSchema, f)
	}
	return f.Check()
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
