package snmp

import (
	"context"
	"sync"
	"time"
)

// Profile is how hard one device may be asked. The device decides what it bears: start low, learn, and halve when it
// suffers.
type Profile struct {
	// InFlight is how many requests may be unanswered at once in the beginning, MaxInFlight how many after learning.
	InFlight, MaxInFlight int
	// Repetitions is how many values one request may ask for in the beginning (GETBULK's max-repetitions where it asks
	// for one column, less for each of several), MaxRepetitions how many after learning.
	Repetitions, MaxRepetitions int
	// Fixed switches learning off: InFlight and Repetitions hold from the first request to the last.
	Fixed bool
	// Timeout is the longest wait for one answer. Once the device's answering time is known, the wait is shorter, except
	// for the last retry.
	Timeout time.Duration
	// Retries is how often one request is repeated when no answer comes. Nothing above this layer retries.
	Retries int
	// RequestsPerSecond and ValuesPerSecond limit the rate over all walks of the session; 0 is no limit.
	RequestsPerSecond, ValuesPerSecond float64
	// MaxValues ends a walk that reads more: such a table is an agent's fault, not a table.
	MaxValues int
}

// DefaultProfile is polite to a device that nothing is known about.
func DefaultProfile() Profile {
	return Profile{
		InFlight: 2, MaxInFlight: 8,
		Repetitions: 10, MaxRepetitions: 60, // about what a datagram of 1472 octets holds
		Timeout: 2 * time.Second, Retries: 3,
		MaxValues: 4_000_000,
	}
}

// FixedProfile asks with exactly w requests in flight for r values each, for devices that are known and for benchmarks.
func FixedProfile(w, r int) Profile {
	p := DefaultProfile()
	p.InFlight, p.MaxInFlight, p.Repetitions, p.MaxRepetitions, p.Fixed = w, w, r, r, true
	return p
}

// withDefaults fills what is zero and makes the limits consistent.
func (p Profile) withDefaults() Profile {
	d := DefaultProfile()
	orDefault := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	orDefault(&p.MaxInFlight, max(d.MaxInFlight, p.InFlight))
	orDefault(&p.InFlight, d.InFlight)
	orDefault(&p.MaxRepetitions, max(d.MaxRepetitions, p.Repetitions))
	orDefault(&p.Repetitions, d.Repetitions)
	orDefault(&p.MaxValues, d.MaxValues)
	p.InFlight = min(p.InFlight, p.MaxInFlight)
	p.Repetitions = min(p.Repetitions, p.MaxRepetitions)
	if p.Timeout <= 0 {
		p.Timeout = d.Timeout
	}
	p.Retries = max(p.Retries, 0)
	return p
}

// budget holds what one device bears, for all walks of its session: how many requests are in flight, how large they are,
// and how long its answers take.
type budget struct {
	profile Profile

	mu        sync.Mutex
	free      time.Time // when the rate limits admit the next request
	inFlight  int
	queue     []*ticket // walks that wait for a slot, in the order of their coming
	limit     float64   // learned slots; the fraction is progress towards the next one
	size      float64   // learned values of one request
	ceiling   float64   // the device refused this many values, or one more than the profile allows
	loweredAt time.Time // last halving: requests sent before it say nothing new
	clock     estimator
}

// ticket is a place in the queue for a slot.
type ticket struct {
	granted chan struct{} // closed once the slot is the holder's
}

func newBudget(p Profile) *budget {
	return &budget{profile: p, limit: float64(p.InFlight), size: float64(p.Repetitions), ceiling: float64(p.MaxRepetitions + 1)}
}

// enqueue asks for a slot. The ticket must be given to release once granted, or to withdraw.
func (b *budget) enqueue() *ticket {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := &ticket{granted: make(chan struct{})}
	b.queue = append(b.queue, t)
	b.grant()
	return t
}

// try takes a slot if one is idle and nobody waits for it.
func (b *budget) try() (*ticket, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) > 0 || b.inFlight >= int(b.limit) {
		return nil, false
	}
	t := &ticket{granted: make(chan struct{})}
	b.queue = append(b.queue, t)
	b.grant()
	return t, true
}

// withdraw gives a ticket back, whether it was granted or not.
func (b *budget) withdraw(t *ticket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, waiting := range b.queue {
		if waiting == t {
			b.queue = append(b.queue[:i:i], b.queue[i+1:]...)
			return
		}
	}
	b.inFlight--
	b.grant()
}

// release ends the use of a granted slot.
func (b *budget) release(t *ticket) { b.withdraw(t) }

// grant hands idle slots to those who wait; mu is held.
func (b *budget) grant() {
	for len(b.queue) > 0 && b.inFlight < int(b.limit) {
		b.inFlight++
		close(b.queue[0].granted)
		b.queue = b.queue[1:]
	}
}

// pace waits until the rate limits admit a request for this many values. There are no bursts: requests are spread evenly.
func (b *budget) pace(ctx context.Context, values int) error {
	var gap float64 // seconds
	if limit := b.profile.RequestsPerSecond; limit > 0 {
		gap = 1 / limit
	}
	if limit := b.profile.ValuesPerSecond; limit > 0 {
		gap = max(gap, float64(values)/limit)
	}
	if gap == 0 {
		return ctx.Err()
	}
	b.mu.Lock()
	now := time.Now()
	start := now
	if b.free.After(now) {
		start = b.free
	}
	b.free = start.Add(time.Duration(gap * float64(time.Second)))
	b.mu.Unlock()
	return wait(ctx, start.Sub(now))
}

// repetitions is how many values the next request may ask for.
func (b *budget) repetitions() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int(b.size)
}

// timeout is how long to wait for the answer of an attempt, counted from 0.
func (b *budget) timeout(attempt int) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if attempt > 0 && attempt >= b.profile.Retries {
		return b.profile.Timeout
	}
	return min(b.profile.Timeout, b.clock.timeout(b.profile.Timeout, b.inFlight)<<min(attempt, 8))
}

// load is how many requests are in flight.
func (b *budget) load() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inFlight
}

// answered learns from an answer: asked and got are values, took is its time, and load is how many requests were in flight
// when it was sent. Retried requests teach no time, since it is
// unknown which of them was answered (Karn's rule).
func (b *budget) answered(asked, got int, took time.Duration, load int, retried bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !retried {
		b.clock.observe(took, load)
	}
	if b.profile.Fixed || retried {
		return
	}
	if asked >= int(b.size) && got >= asked {
		b.size = min(b.ceiling-1, b.size+2)
	}
	// One more slot for each full round of answers, as long as the device does not slow down under what it has.
	if b.inFlight >= int(b.limit) && !b.clock.congested() {
		b.limit = min(float64(b.profile.MaxInFlight), b.limit+1/b.limit)
	} else if b.clock.congested() && took > 0 {
		b.limit = max(1, b.limit-1/b.limit)
	}
	b.grant()
}

// unanswered learns from a timeout of a request sent at that time: half as many in flight, once per loss event. A second
// timeout of one request makes requests smaller, too: large answers may be what gets lost.
func (b *budget) unanswered(sentAt time.Time, attempt int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.profile.Fixed {
		return
	}
	if attempt == 1 {
		b.size = max(1, b.size/2)
	}
	if sentAt.Before(b.loweredAt) {
		return
	}
	b.loweredAt = time.Now()
	b.limit = max(1, b.limit/2)
}

// tooBig learns that an answer for so many values was refused: requests get half as large, and never that large again. This
// holds for a fixed profile, too.
func (b *budget) tooBig(asked int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if asked < 2 || float64(asked) > b.size {
		return // one value cannot be halved; and what was asked before the last halving says nothing new
	}
	b.ceiling = min(b.ceiling, float64(asked))
	b.size = float64(asked / 2)
}

// estimator follows the answering time (RFC 6298, with a larger floor: an answer that is late by the jitter of a busy
// control plane must not be asked for twice). Many devices work on one request after the other, so it also follows the
// time for each request in the queue: that one grows with the load before the first slow answer shows it.
type estimator struct {
	smoothed, deviation, best time.Duration
	each                      time.Duration // answering time by requests in flight
}

func (e *estimator) observe(took time.Duration, load int) {
	each := took / time.Duration(max(1, load))
	if e.smoothed == 0 {
		e.smoothed, e.deviation, e.best, e.each = took, took/2, took, each
		return
	}
	off := (took - e.smoothed).Abs()
	e.deviation += (off - e.deviation) / 4
	e.smoothed += (took - e.smoothed) / 8
	if each > e.each {
		e.each += (each - e.each) / 2 // requests that grow make each answer slower than the last
	} else {
		e.each -= (e.each - each) / 16
	}
	e.best = min(e.best, took)
}

// timeout is the longest credible answering time with so many requests in flight, or longest where nothing is known.
func (e *estimator) timeout(longest time.Duration, load int) time.Duration {
	const floor = 250 * time.Millisecond
	if e.smoothed == 0 {
		return longest
	}
	expected := max(e.smoothed, e.each*time.Duration(load))
	return min(longest, expected*3/2+max(4*e.deviation, floor))
}

// congested reports whether answers take far longer than the best one did: requests queue in the device, so more of them
// at once would gain nothing.
func (e *estimator) congested() bool {
	const queueing, slack = 3, 30 * time.Millisecond
	return e.smoothed > queueing*e.best+slack
}
