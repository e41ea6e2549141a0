package topology

// independent counts the paths from the starting device to the gateways that share no device on the way: the largest flow where every device
// passes one unit (Menger's theorem), found by augmenting paths. The steps are those of faultless listed paths.
func (w *walker) independent() int {
	if len(w.ends) == 0 || w.from.IsZero() {
		return 0
	}
	f := flow{source: vertex{w.from.Key(), true}, residual: map[vertex]map[vertex]int{}}
	for l := range w.links {
		f.arc(vertex{l[0], true}, vertex{l[1], false})
		f.arc(vertex{l[1], false}, vertex{l[1], true})
	}
	n := 0
	for f.augment(w.ends) {
		n++
	}
	return n
}

// vertex is one side of a device: where paths come in, or where they go out.
type vertex struct {
	device Key
	out    bool
}

type flow struct {
	source   vertex
	residual map[vertex]map[vertex]int
}

func (f *flow) arc(a, b vertex) {
	for _, v := range []vertex{a, b} {
		if f.residual[v] == nil {
			f.residual[v] = map[vertex]int{}
		}
	}
	f.residual[a][b] = 1
}

// augment finds one more way to an end and takes it; an end takes one way.
func (f *flow) augment(ends map[Key]bool) bool {
	from := map[vertex]vertex{f.source: f.source}
	for queue := []vertex{f.source}; len(queue) > 0; queue = queue[1:] {
		v := queue[0]
		if v.out && ends[v.device] && v != f.source {
			for v != f.source {
				u := from[v]
				f.residual[u][v]--
				f.residual[v][u]++
				v = u
			}
			return true
		}
		for u, room := range f.residual[v] {
			if _, seen := from[u]; !seen && room > 0 {
				from[u] = v
				queue = append(queue, u)
			}
		}
	}
	return false
}
