package topology

// members marks the ways on which frames may leave a device by another member of an aggregate, of which nobody knows where it leads: which member they take is hashed,
// and what is behind it, or filters there, nobody has read. Members lead somewhere if they are on a way, or on a path that ends nowhere in the dark.
func members(ways []Way, paths ...[]Path) {
	led := map[Node]bool{}
	for _, w := range ways {
		for _, h := range w.Hops {
			led[h.Node] = true
		}
	}
	for _, ps := range paths {
		for _, p := range ps {
			for _, h := range p.Hops {
				led[h.Node] = led[h.Node] || p.Gap == ""
			}
		}
	}
	for i := range ways {
		if w := &ways[i]; w.Fault == "" && w.Doubt == "" {
			if why := unled(w.Hops, led); why != "" {
				w.Doubt, w.Lost = why, true
			}
		}
	}
}

// unled finds a member by which frames may leave, that leads nobody knows where. One that is no surer to be in force than the one of the way counts, too.
func unled(hops []Hop, led map[Node]bool) string {
	for i := range len(hops) - 1 {
		if hops[i+1].Rel != Link {
			continue
		}
		for _, of := range hops[i].Node.In(SupportedBy) {
			if of.From.Kind() != LAG {
				continue
			}
			for _, e := range of.From.Out(SupportedBy) {
				if m := e.To; e.Confidence >= of.Confidence && m.Kind().Interface() && !led[m] && stopped(m) == "" {
					device, _ := m.Owner()
					return "frames may leave " + device.Name() + " by " + m.Name() + ", too, a member of " + of.From.Name() + " of which nobody knows where it leads"
				}
			}
		}
	}
	return ""
}
