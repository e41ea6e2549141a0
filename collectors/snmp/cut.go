package snmp

import (
	"math"
	"slices"

	"github.com/throughline-dc/throughline/internal/snmprec"
)

// cut finds more work for an idle slot: it cuts a long span in two, or sends a scout that shows where the table has rows.
// size is the most values of a request. It returns false when nothing is worth it.
func (p *plan) cut(size int) (query, bool) {
	if p.cutCounted(size) {
		return p.next(size)
	}
	if p.chart.pending {
		return query{}, false
	}
	for _, c := range p.columns {
		if !p.long(c, size) {
			continue
		}
		if p.chart.scouts < lastScout {
			return p.scout(c, size)
		}
		if p.cutGuessed(c, size) {
			return p.next(size)
		}
	}
	return query{}, false
}

// cutCounted cuts the span with the most rows left, at a row that the guide names: such a cut costs no extra request.
func (p *plan) cutCounted(size int) bool {
	var widest *span
	var rest []snmprec.OID
	for _, c := range p.columns {
		for _, s := range c.spans {
			if s.state != spanAsked {
				continue
			}
			left, ok := p.counted(s)
			if ok && len(left)-s.asked > len(rest) {
				widest, rest = s, left[s.asked:]
			}
		}
	}
	if widest == nil {
		return false
	}
	// The left part keeps what its request in flight brings, and half of the whole requests that follow.
	all, _ := p.counted(widest)
	if fits := widest.column.fits; fits > 0 {
		size = min(size, fits)
	}
	keep := min(widest.asked, size) + (len(rest)+size-1)/size/2*size
	widest.split(widest.column.root.Join(all[keep-1]))
	return true
}

// split gives the part of a span behind at to a new span.
func (s *span) split(at snmprec.OID) {
	right := &span{column: s.column, from: at, cursor: at, to: s.to, right: s.right}
	s.to, s.right = at, right
	i := slices.Index(s.column.spans, s)
	s.column.spans = slices.Insert(s.column.spans, i+1, right)
}

// long reports whether a column without a guide is worth cutting.
func (p *plan) long(c *column, size int) bool {
	const fullRequests = 2
	if p.guide != nil || len(c.spans[0].cells) == 0 {
		return false
	}
	return p.table.Long || c.rows >= fullRequests*size
}

// chart is what is known of the rows of a table before there is a guide. It only says where cuts are worthwhile; it is
// never proof of anything.
type chart struct {
	scouts    int      // sent so far
	pending   bool     // one is in flight
	low, high []uint32 // per level of the index, the smallest and the largest sub-identifier of a row
	holes     []hole   // in order, without overlap
}

// hole is a part of the key space where the device has no rows: between an identifier that was asked for and the row that
// came in answer, next. A hole without next goes to the end of the table.
type hole struct {
	from, next snmprec.OID // indexes
}

// note takes the index of a row into account.
func (ch *chart) note(index snmprec.OID) {
	const mostLevels = 12
	for level := range min(index.Len(), mostLevels) {
		id := index.At(level)
		if level == len(ch.low) {
			ch.low, ch.high = append(ch.low, id), append(ch.high, id)
		}
		ch.low[level], ch.high[level] = min(ch.low[level], id), max(ch.high[level], id)
	}
}

// dig adds a hole; of several with the same end it keeps the widest.
func (ch *chart) dig(from, next snmprec.OID) {
	if !next.IsZero() {
		ch.note(next)
	}
	for i, h := range ch.holes {
		if h.next == next {
			if from.Compare(h.from) < 0 {
				ch.holes[i].from = from
			}
			return
		}
	}
	ch.holes = append(ch.holes, hole{from, next})
	slices.SortFunc(ch.holes, func(a, b hole) int { return a.from.Compare(b.from) })
}

// hole finds the hole that an index lies in.
func (ch *chart) hole(index snmprec.OID) (hole, bool) {
	for _, h := range ch.holes {
		if h.from.Compare(index) <= 0 && (h.next.IsZero() || index.Compare(h.next) < 0) {
			return h, true
		}
	}
	return hole{}, false
}

// lastScout is how many scouts a table gets.
const lastScout = 2

// scout asks for the successors of many identifiers behind the rows that were read. The first scout goes in growing steps
// at every level of the index, to see how far the key space reaches; the second in even steps, to see where in it there are
// rows. Each costs one request.
func (p *plan) scout(c *column, size int) (query, bool) {
	p.chart.scouts++
	points := p.evenSteps(c, min(mostNames, size))
	if p.chart.scouts == 1 {
		points = growingSteps(c.index(c.spans[0].cursor))
		points = points[:min(len(points), mostNames, size)]
	}
	if len(points) == 0 {
		return query{}, false
	}
	q := query{scouted: c, repetitions: 1}
	slices.SortFunc(points, snmprec.OID.Compare)
	for _, point := range slices.Compact(points) {
		q.scout = append(q.scout, c.root.Join(point))
	}
	p.tries++
	p.chart.pending = true
	return q, true
}

// growingSteps are indexes behind a row, those that divide the key space most first.
func growingSteps(row snmprec.OID) []snmprec.OID {
	const (
		step    = 4
		highest = 1 << 30
	)
	var points []snmprec.OID
	for level := range row.Len() {
		ceiling := uint32(highest)
		if level > 0 && row.At(level) <= lastOctet {
			ceiling = lastOctet
		}
		for delta := uint32(1); delta < ceiling && row.At(level) < ceiling-delta; delta *= step {
			points = append(points, row.Prefix(level).Append(row.At(level)+delta))
		}
	}
	return points
}

// evenSteps are n indexes that divide what is left of a column behind its first rows.
func (p *plan) evenSteps(c *column, n int) []snmprec.OID {
	sc := newScale(c, p.chart)
	end, known := sc.end(c.spans[0])
	if !known {
		return nil
	}
	low := sc.at(c.index(c.spans[0].cursor))
	step := (sc.at(end) - low) / float64(n)
	var points []snmprec.OID
	for i := range n {
		at := low + (float64(i)+0.5)*step
		points = append(points, sc.index(at-step/2, at+step/2))
	}
	return points
}

// lastOctet is the largest sub-identifier of an index level that holds octets, as in MAC and IPv4 addresses.
const lastOctet = 255

// sight notes what a scout saw.
func (p *plan) sight(q query, varbinds []snmprec.Varbind) {
	p.chart.pending = false
	for i, vb := range varbinds[:min(len(varbinds), len(q.scout))] {
		p.learn(q.scouted, q.scout[i], vb)
	}
}

// learn notes that an object is the first one behind an identifier of a column.
func (p *plan) learn(c *column, from snmprec.OID, vb snmprec.Varbind) {
	var next snmprec.OID
	if vb.OID.HasPrefix(c.root) && vb.Value.Present() {
		next = c.index(vb.OID)
	}
	p.chart.dig(c.index(from), next)
}

// index is the part of a column's identifier that names the row.
func (c *column) index(oid snmprec.OID) snmprec.OID { return oid.After(c.root.Len()) }

// cutGuessed cuts the span of a column that seems to have the most left.
func (p *plan) cutGuessed(c *column, size int) bool {
	const (
		fewMisses  = 2
		triesAMiss = 32
		worthwhile = 2 // requests
	)
	if p.misses > fewMisses+p.tries/triesAMiss {
		return false
	}
	sc := newScale(c, p.chart)
	var widest *span
	var most float64
	for _, s := range c.spans {
		if s.state != spanAsked {
			continue
		}
		if left := sc.rowsLeft(s); left > most {
			widest, most = s, left
		}
	}
	if widest == nil || most < float64(worthwhile*size) {
		return false
	}
	at, ok := sc.middle(widest)
	if !ok {
		return false
	}
	widest.split(c.root.Join(at))
	return true
}

// scale places the indexes of a column on the line from 0 to 1, so that distances between rows can be compared: their
// sub-identifiers are digits, each level as wide as the rows seen so far.
type scale struct {
	column *column
	chart  chart
	rate   float64 // rows per distance, over everything read so far
}

func newScale(c *column, known chart) scale {
	const varied = 16 // a level of octets with this spread may take all values
	sc := scale{column: c, chart: known}
	sc.chart.low, sc.chart.high = slices.Clone(known.low), slices.Clone(known.high)
	for level := 1; level < len(sc.chart.low); level++ {
		if low, high := sc.chart.low[level], sc.chart.high[level]; high <= lastOctet && high-low >= varied {
			sc.chart.low[level], sc.chart.high[level] = 0, lastOctet
		}
	}
	// Where the table ends for certain is beyond the rows seen so far: the line goes up to there.
	for _, h := range known.holes {
		if h.next.IsZero() {
			sc.chart.note(h.from)
		}
	}
	var distance float64
	for _, s := range c.spans {
		distance += sc.read(s)
	}
	if distance > 0 {
		sc.rate = float64(c.rows) / distance
	}
	return sc
}

// read is the distance that a span has come.
func (sc scale) read(s *span) float64 {
	if len(s.cells) == 0 {
		return 0
	}
	return sc.at(sc.column.index(s.cursor)) - sc.at(s.cells[0].Index)
}

// at is the place of an index.
func (sc scale) at(index snmprec.OID) float64 {
	place, unit := 0.0, 1.0
	for level := range min(len(sc.chart.low), index.Len()) {
		low, high, digit := sc.chart.low[level], sc.chart.high[level], index.At(level)
		switch {
		case digit < low:
			return place
		case digit > high:
			return place + unit
		}
		unit /= float64(high-low) + 1
		place += float64(digit-low) * unit
	}
	return place
}

// index is an index whose place is between low and high: the shortest one in the middle half, since rows come in
// clusters under common prefixes, and a cut between clusters meets rows on both sides.
func (sc scale) index(low, high float64) snmprec.OID {
	const quarter = 4
	margin := (high - low) / quarter
	place, base, unit := (low+high)/2, 0.0, 1.0
	var index snmprec.OID
	for level, lowest := range sc.chart.low {
		unit /= float64(sc.chart.high[level]-lowest) + 1
		digit := math.Floor((place - base) / unit)
		digit = min(max(digit, 0), float64(sc.chart.high[level]-lowest))
		for _, d := range [...]float64{digit, digit + 1} {
			if at := base + d*unit; at > low+margin && at < high-margin {
				return index.Append(lowest + uint32(d))
			}
		}
		base += digit * unit
		index = index.Append(lowest + uint32(digit))
	}
	return index
}

// end is where the rows of a span end, as far as is known; false when nothing is known.
func (sc scale) end(s *span) (snmprec.OID, bool) {
	var end snmprec.OID
	if !s.to.IsZero() {
		end = sc.column.index(s.to)
	}
	for _, h := range slices.Backward(sc.chart.holes) {
		if h.next.IsZero() && end.IsZero() || h.from.Compare(end) < 0 && end.Compare(h.next) < 0 {
			end = h.from
		}
	}
	return end, end.Compare(sc.column.index(s.cursor)) > 0
}

// rowsLeft estimates the rows of a span that no request is in flight for.
func (sc scale) rowsLeft(s *span) float64 {
	end, known := sc.end(s)
	if !known {
		return 0
	}
	density := sc.rate
	if read := sc.read(s); read > 0 && len(s.cells) > s.asked/2 {
		density = float64(len(s.cells)) / read
	}
	return density*(sc.at(end)-sc.at(sc.column.index(s.cursor))) - float64(s.asked)
}

// middle is an index that halves what is left of a span, moved out of a hole.
func (sc scale) middle(s *span) (snmprec.OID, bool) {
	end, known := sc.end(s)
	if !known {
		return snmprec.OID{}, false
	}
	cursor := sc.column.index(s.cursor)
	at := sc.index(sc.at(cursor), sc.at(end))
	if h, inside := sc.chart.hole(at); inside {
		at = h.next
		if h.next.IsZero() || end.Compare(h.next) <= 0 {
			at = h.from
		}
	}
	return at, at.Compare(cursor) > 0 && at.Compare(end) < 0
}
