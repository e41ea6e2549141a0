package collectors

import (
	"hash/fnv"
	"time"
)

// BreakerPolicy says when a device that fails is left in peace, and for how long.
type BreakerPolicy struct {
	Failures int           // in a row, before the first pause; 0: 3
	Pause    time.Duration // the first one; each further is twice as long; 0: one minute
	MaxPause time.Duration // 0: half an hour
}

func (p BreakerPolicy) withDefaults() BreakerPolicy {
	if p.Failures <= 0 {
		p.Failures = 3
	}
	if p.Pause <= 0 {
		p.Pause = time.Minute
	}
	if p.MaxPause <= 0 {
		p.MaxPause = 30 * time.Minute
	}
	p.MaxPause = max(p.Pause, p.MaxPause)
	return p
}

// pause gives the length of the n-th pause in a row (from 1): doubled each time, then moved by up to a fifth either way, by identity, so
// that devices which failed together do not come back together.
func (p BreakerPolicy) pause(identity string, n int) time.Duration {
	d := p.Pause
	for range n - 1 {
		if d >= p.MaxPause/2 {
			d = p.MaxPause
			break
		}
		d *= 2
	}
	fifth := d / 5
	return d - fifth + fraction(identity, n, 2*fifth)
}

// breaker is the memory of one device's failures: closed until policy.Failures in a row, then open until a time; after it one try decides.
type breaker struct {
	failures int // in a row
	until    time.Time
}

// open tells whether the device is to be left in peace, and until when.
func (b *breaker) open(now time.Time) (until time.Time, open bool) {
	return b.until, now.Before(b.until)
}

func (b *breaker) succeed() { *b = breaker{} }

func (b *breaker) fail(policy BreakerPolicy, identity string, now time.Time) {
	b.failures++
	if n := b.failures - policy.Failures + 1; n > 0 {
		b.until = now.Add(policy.pause(identity, n))
	}
}

// fraction maps an identity and a number to a duration in [0, whole), always the same one, spread evenly over identities.
func fraction(identity string, n int, whole time.Duration) time.Duration {
	if whole <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(identity))
	h.Write([]byte{0, byte(n), byte(n >> 8), byte(n >> 16)})
	// FNV's low bits of like texts are alike; a multiplication spreads them (Fibonacci hashing) before the high bits are taken.
	sum := h.Sum64()
	sum = (sum ^ sum>>29) * 0x9e3779b97f4a7c15
	return time.Duration(float64(sum>>11) / (1 << 53) * float64(whole))
}
