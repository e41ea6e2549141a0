package topology

import "slices"

// aside lists the ways of frames that a group's other members send to a switch beside the one that has the target, where none of the ways begins: it bridges them to
// the target over a cable between the two, as one of a pair does with frames to the other one's own address. A switch with the target's hardware address takes them itself.
func aside(from, to Node, ps []Path, ways []Way) []Way {
	target, ok := to.Owner()
	if !ok || len(ways) == 0 || target.Kind() != Switch || last(ways[0]).VID == 0 {
		return nil
	}
	end := last(ways[0])
	end.Rel, end.Reading, end.Confidence = 0, Reading{}, 0
	f := newFabric(end.VID, &walker{start: from})
	done := map[Key]bool{}
	for _, w := range ways {
		done[w.entry()] = true
	}
	var all []Way
	for _, p := range ps {
		i := slices.IndexFunc(p.Hops, func(h Hop) bool { return h.Rel == Link })
		if i < 0 || done[p.Hops[i].Node.Key()] || p.Hops[i].VID != end.VID || gradeOf(p.Hops[:i+1]) == broken {
			continue
		}
		done[p.Hops[i].Node.Key()] = true
		device, ok := p.Hops[i].Node.Owner()
		if !ok || device.Kind() != Switch || device == target || answersFor(device, to) {
			continue
		}
		all = append(all, f.across(p.Hops[:i+1], device, target, end)...)
	}
	return all
}

// across goes on from a switch to another one that it has a cable to. Of several cables those count that pass most; what they do not pass is lost, and the sender does not know it.
func (f *fabric) across(hops []Hop, device, target Node, end Hop) []Way {
	best := grades
	var ways []Way
	for _, x := range f.from(f.wires.on(device)) {
		if x.device != f.wires.on(target) || x.grade > best {
			continue
		}
		if x.grade < best {
			best, ways = x.grade, nil
		}
		w := wayOf(slices.Concat(hops, f.of(device, []Hop{x.near, x.far}), []Hop{end}), "")
		w.Lost = x.grade != sound
		ways = append(ways, w)
	}
	return ways
}

func last(w Way) Hop { return w.Hops[len(w.Hops)-1] }

// answersFor tells whether a device has the hardware address of another one's interface, or shares a virtual address with it.
func answersFor(device, of Node) bool {
	mac, ok := of.Value(AttrMAC)
	shared := of.Values(AttrVirtualAddress)
	return !ok || slices.ContainsFunc(device.Out(Contains), func(e Edge) bool {
		v, has := e.To.Value(AttrMAC)
		return has && v == mac || slices.ContainsFunc(e.To.Values(AttrVirtualAddress), func(v Value) bool { return slices.Contains(shared, v) })
	})
}
