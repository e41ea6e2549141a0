package collectors

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Progress shows how far a sweep is. On a terminal it keeps one line at the bottom up to date, with a bar, and prints above it the devices
// that are not ok; elsewhere it prints a line for each device. A nil Progress shows nothing.
type Progress struct {
	w     io.Writer
	total int
	width int // columns of the terminal; 0: no terminal

	mu      sync.Mutex
	summary Summary
	active  []string // handles, in the order in which they began
	drawn   time.Time
	listed  int
}

const (
	redraw    = 100 * time.Millisecond // least time between two drawings of the bar
	maxListed = 50                     // devices that are not ok and are named above the bar; more are only counted
	barWidth  = 24
)

// NewProgress shows the progress of a sweep of total devices on w; 0: it has no end, and there is no bar. Width is the terminal's, in
// columns; 0 when w is none.
func NewProgress(w io.Writer, total, width int) *Progress {
	return &Progress{w: w, total: total, width: width}
}

// Begin says that the device's turn has come.
func (p *Progress) Begin(d Device) {
	if p == nil || p.width == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active = append(p.active, d.Handle)
	p.draw(false)
}

// End says what became of the device.
func (p *Progress) End(o Outcome) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.summary.Add(o)
	if p.width == 0 {
		fmt.Fprintln(p.w, o)
		return
	}
	if i := slices.Index(p.active, o.Device.Handle); i >= 0 {
		p.active = slices.Delete(p.active, i, i+1)
	}
	if o.Status == StatusPartial || o.Status == StatusFailed {
		p.list(o)
	}
	p.draw(p.summary.Devices == p.total)
}

// Close draws the final state and leaves the line.
func (p *Progress) Close() {
	if p == nil || p.width == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draw(true)
	fmt.Fprintln(p.w)
}

func (p *Progress) list(o Outcome) {
	p.listed++
	switch {
	case p.listed <= maxListed:
		fmt.Fprintf(p.w, "\r\x1b[K%s\n", o)
	case p.listed == maxListed+1:
		fmt.Fprint(p.w, "\r\x1b[Kfurther devices that are not ok are only counted\n")
	}
	p.drawn = time.Time{} // the bar was overwritten
}

func (p *Progress) draw(now bool) {
	if !now && time.Since(p.drawn) < redraw {
		return
	}
	p.drawn = time.Now()
	line := fmt.Sprintf("%d readings", p.summary.Devices)
	if p.total > 0 {
		filled := min(barWidth, barWidth*p.summary.Devices/p.total)
		line = strings.Repeat("█", filled) + strings.Repeat("░", barWidth-filled) + fmt.Sprintf(" %d of %d readings", p.summary.Devices, p.total)
	}
	if counts := p.summary.counts(); counts != "" {
		line += ": " + counts
	}
	if len(p.active) > 0 {
		line += " · " + strings.Join(p.active[:min(3, len(p.active))], " ")
		if more := len(p.active) - 3; more > 0 {
			line += fmt.Sprintf(" +%d", more)
		}
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", cut(oneLine(line), p.width-1))
}

// cut shortens a text to a number of columns, counting a column for each code point.
func cut(text string, columns int) string {
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	return string([]rune(text)[:max(0, columns-1)]) + "…"
}
