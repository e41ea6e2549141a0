package topology

// independent counts the ways from the start to the gateways that share no device after the start. Frames of the members of one aggregate that
// end up in different VLANs do not add up: the VLAN with most ways counts.
func (w *walker) independent() int {
	n := 0
	for _, f := range w.fabrics {
		n = max(n, f.flow.count())
	}
	return n
}

// credit adds the ways to a goal to the flow, each cable between two devices once.
func (s *search) credit(g goal, done map[*arrival]bool) {
	last := s.flow.source
	if g.way.from != nil {
		s.creditTo(g.way.from, done)
		last = vertex{g.way.from.device.Key(), true}
	}
	end, _ := g.gateway.Node.Owner()
	s.flow.pass(last, end.Key())
	s.flow.ends[end.Key()] = true
}

func (s *search) creditTo(a *arrival, done map[*arrival]bool) {
	if done[a] {
		return
	}
	done[a] = true
	if len(a.ways) == 0 {
		s.flow.pass(s.flow.source, a.device.Key())
	}
	for _, w := range a.ways {
		s.creditTo(w.from, done)
		s.flow.pass(vertex{w.from.device.Key(), true}, a.device.Key())
	}
}

// flow is a network in which everything but the source passes one unit: the largest flow to the ends is the number of ways that share nothing
// (Menger's theorem).
type flow struct {
	source vertex
	arcs   map[vertex]map[vertex]bool
	ends   map[Key]bool
}

// vertex is one side of a thing on the way: where ways come in, or where they go out.
type vertex struct {
	key Key
	out bool
}

func newFlow(source Key) flow {
	return flow{vertex{source, true}, map[vertex]map[vertex]bool{}, map[Key]bool{}}
}

// pass adds a step from one thing to the next.
func (f *flow) pass(from vertex, to Key) {
	f.arc(from, vertex{to, false})
	f.arc(vertex{to, false}, vertex{to, true})
}

func (f *flow) arc(a, b vertex) {
	if f.arcs[a] == nil {
		f.arcs[a] = map[vertex]bool{}
	}
	f.arcs[a][b] = true
}

// count finds augmenting paths until there is none.
func (f *flow) count() int {
	room := map[vertex]map[vertex]bool{}
	for a, bs := range f.arcs {
		for b := range bs {
			for _, v := range []vertex{a, b} {
				if room[v] == nil {
					room[v] = map[vertex]bool{}
				}
			}
			room[a][b] = true
		}
	}
	n := 0
	for f.augment(room) {
		n++
	}
	return n
}

// augment finds one more way to an end and takes it; an end takes one way.
func (f *flow) augment(room map[vertex]map[vertex]bool) bool {
	from := map[vertex]vertex{f.source: f.source}
	for queue := []vertex{f.source}; len(queue) > 0; queue = queue[1:] {
		v := queue[0]
		if v.out && f.ends[v.key] && v != f.source {
			for v != f.source {
				u := from[v]
				room[u][v], room[v][u] = false, true
				v = u
			}
			return true
		}
		for u, free := range room[v] {
			if _, seen := from[u]; !seen && free {
				from[u] = v
				queue = append(queue, u)
			}
		}
	}
	return false
}
