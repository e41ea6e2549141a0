package collectors

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// feed hands out devices when their time has come and closes the channel when there will be no more.
type feed func(ctx context.Context, due chan<- Device)

// once hands out every device, in order, as fast as they are taken. It does not look at ctx: whoever takes them answers for each that the
// sweep was stopped, so that none is passed over in silence.
func once(devices []Device) feed {
	return func(_ context.Context, due chan<- Device) {
		defer close(due)
		for _, d := range devices {
			due <- d
		}
	}
}

// slot is a device and its place in the round.
type slot struct {
	device Device
	offset time.Duration // from the begin of the round
}

// round spreads devices over an interval. Where a device stands depends on its identity only: not on the others, nor on when the program
// was started, so that several collectors and restarts do not fall into step.
func round(devices []Device, interval time.Duration) []slot {
	slots := make([]slot, len(devices))
	for i, d := range devices {
		slots[i] = slot{d, fraction(d.identity(), 0, interval)}
	}
	slices.SortStableFunc(slots, func(a, b slot) int { return cmp.Compare(a.offset, b.offset) })
	return slots
}

// again hands out every device at once, and then each at its own place in every interval, until ctx ends. A round that takes longer than
// the interval delays what follows; rounds that are missed by that are left out, not made up for.
func again(devices []Device, interval time.Duration) feed {
	return func(ctx context.Context, due chan<- Device) {
		defer close(due)
		begin := time.Now().Truncate(interval)
		for _, d := range devices {
			if !hand(ctx, due, d) {
				return
			}
		}
		slots := round(devices, interval)
		// Nobody is asked again in the first half of an interval after the start.
		earliest := time.Now().Add(interval / 2)
		for len(slots) > 0 && handRound(ctx, due, slots, begin, earliest) {
			begin = begin.Add(interval)
			if late := time.Since(begin); late >= interval {
				begin = begin.Add(late.Truncate(interval))
			}
		}
	}
}

// handRound hands out the devices whose places in the round are not before earliest; false: ctx ended.
func handRound(ctx context.Context, due chan<- Device, slots []slot, begin, earliest time.Time) bool {
	for _, s := range slots {
		at := begin.Add(s.offset)
		if at.Before(earliest) {
			continue
		}
		if !waitUntil(ctx, at) || !hand(ctx, due, s.device) {
			return false
		}
	}
	return ctx.Err() == nil
}

func hand(ctx context.Context, due chan<- Device, d Device) bool {
	select {
	case due <- d:
		return true
	case <-ctx.Done():
		return false
	}
}

// waitUntil reports false if ctx ended first.
func waitUntil(ctx context.Context, at time.Time) bool {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// identity is what breakers, schedules and coalescing know a reading by.
func (d Device) identity() string { return d.Source.String() + " " + d.Handle }
