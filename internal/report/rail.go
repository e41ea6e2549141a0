package report

// Rail is the ways of a VM's frames, or to one of its disks, drawn as a tree: what they share is there once.
type Rail struct {
	Name  string // network or storage
	Title string
	Lines []Line
}

// Line is one line of a rail: a hop; a hop from which it goes on as from an earlier one (See); or what is wrong at the hop before it (Mark).
type Line struct {
	Number   int    // of the hop
	Indent   string // and the branches
	Text     string
	Evidence string
	Stale    bool
	Mark     string // X: a fault, ?: not known
	See      int
}
