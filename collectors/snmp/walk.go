package snmp

import (
	"context"
	"fmt"
	"slices"

	"github.com/gosnmp/gosnmp"

	"github.com/throughline-dc/throughline/internal/snmprec"
)

// Walk reads a table; see [Walker].
func (s *Session) Walk(ctx context.Context, table Table) (Rows, Result, error) {
	w := walk{
		session: s, plan: newPlan(table), retries: s.budget.profile.Retries,
		back: make(chan returned),
	}
	err := w.run(ctx)
	w.result.Values = w.plan.values
	w.result.Gaps = w.plan.gaps
	w.result.finish()
	return w.plan.rows(), w.result, err
}

// walk carries out a plan. One goroutine owns it; each request has a goroutine that ends with its answer.
type walk struct {
	session  *Session
	plan     *plan
	retries  int
	lost     int // requests that stayed unanswered
	inFlight int
	back     chan returned
	result   Result
	err      error // the device cannot be asked any more, or the context ended
}

type returned struct {
	query   query
	outcome outcome
}

// run asks what the plan says until it is done and nothing is in flight.
func (w *walk) run(ctx context.Context) error {
	var turn *ticket
	defer func() {
		if turn != nil {
			w.session.budget.withdraw(turn)
		}
	}()
	for {
		turn = w.dispatch(ctx, turn)
		if w.inFlight == 0 && turn == nil {
			if !w.plan.done() {
				w.plan.abandon("the walk cannot go on") // guards against waiting for ever
			}
			return w.err
		}
		var granted <-chan struct{}
		if turn != nil {
			granted = turn.granted
		}
		ended := ctx.Done()
		if w.err != nil {
			ended = nil
		}
		select {
		case <-granted:
		case r := <-w.back:
			w.inFlight--
			w.settle(r)
		case <-ended:
			w.stop(fmt.Errorf("snmp %s: %w", w.session.host, context.Cause(ctx)))
		}
	}
}

// dispatch sends all that may be sent now. It returns the ticket that the next request waits for, nil when there is none.
func (w *walk) dispatch(ctx context.Context, turn *ticket) *ticket {
	b := w.session.budget
	for w.err == nil {
		if !w.plan.ready() {
			if turn != nil {
				b.withdraw(turn)
				turn = nil
			}
			// An idle slot that nobody else wants may speed this walk up.
			idle, ok := b.try()
			if !ok {
				return nil
			}
			q, ok := w.plan.cut(b.repetitions())
			if !ok {
				b.withdraw(idle)
				return nil
			}
			w.send(ctx, q, idle)
			continue
		}
		if turn == nil {
			turn = b.enqueue()
		}
		select {
		case <-turn.granted:
		default:
			return turn
		}
		q, _ := w.plan.next(b.repetitions())
		w.send(ctx, q, turn)
		turn = nil
	}
	if turn != nil {
		b.withdraw(turn)
	}
	return nil
}

// send lets a query go on its way with a granted slot.
func (w *walk) send(ctx context.Context, q query, slot *ticket) {
	w.inFlight++
	retries := w.retries
	go func() {
		r := returned{query: q}
		r.outcome = w.session.ask(ctx, ask{names: q.names(), repetitions: q.repetitions}, retries)
		w.session.budget.release(slot)
		w.back <- r
	}()
}

// settle takes what came back into the plan.
func (w *walk) settle(r returned) {
	const patience = 3 // unanswered requests of one table
	w.result.Requests += r.outcome.sent
	w.result.Retries += r.outcome.retries
	if w.err != nil {
		return
	}
	switch q := r.query; {
	case r.outcome.err != nil:
		w.stop(r.outcome.err)
	case r.outcome.lost:
		w.lost++
		w.plan.lose(q, fmt.Sprintf("no answer in %d attempts", w.retries+1))
		w.retries = min(w.retries, 1)
		if w.lost >= patience {
			w.plan.abandon(fmt.Sprintf("given up after %d requests without an answer", w.lost))
		}
	case r.outcome.status == gosnmp.NoError:
		w.plan.deliver(q, r.outcome.varbinds)
	case r.outcome.status == gosnmp.TooBig:
		w.session.budget.tooBig(q.values())
		w.result.Retries++
		w.plan.trouble(q, -1, "tooBig")
	default:
		w.result.Retries++
		w.plan.trouble(q, r.outcome.index-1, statusName(r.outcome.status))
	}
	if most := w.session.budget.profile.MaxValues; w.plan.values > most {
		w.plan.abandon(fmt.Sprintf("more than %d values: an agent that makes up rows, or a table that SNMP is not fit for", most))
	}
}

// stop ends the walk: what is in flight is waited for and not used.
func (w *walk) stop(err error) {
	w.err = err
	w.plan.abandon(err.Error())
}

// statusName is the name of an error-status in RFC 3416 section 3.
func statusName(status gosnmp.SNMPError) string {
	names := [...]string{
		"noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength",
		"wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed", "undoFailed",
		"authorizationError", "notWritable", "inconsistentName",
	}
	if int(status) < len(names) {
		return names[status]
	}
	return fmt.Sprintf("error-status %d", status)
}

// Scalars reads single objects; see [Walker]. A GET that the device refuses or leaves unanswered is taken apart, so that one
// object does not hide the others.
func (s *Session) Scalars(ctx context.Context, oids ...snmprec.OID) (Scalars, Result, error) {
	said := make(Scalars, len(oids))
	var result Result
	var failed error
	for rest := [][]snmprec.OID{oids}; len(rest) > 0; {
		names := rest[0]
		rest = rest[1:]
		if len(names) == 0 {
			continue
		}
		if most := min(s.budget.repetitions(), mostNames); len(names) > most {
			rest = slices.Insert(rest, 0, names[:most], names[most:])
			continue
		}
		o := s.askInTurn(ctx, ask{names: names})
		result.Requests += o.sent
		result.Retries += o.retries
		result.Values += len(o.varbinds)
		reason := o.complaint(names)
		switch {
		case reason == "":
			for _, vb := range o.varbinds {
				said[vb.OID] = vb.Value
			}
			continue
		case o.err != nil:
			failed = o.err
			names, rest = slices.Concat(names, slices.Concat(rest...)), nil
		case len(names) > 1:
			half := len(names) / 2
			result.Retries++
			rest = slices.Insert(rest, 0, names[:half], names[half:])
			continue
		}
		for _, oid := range names {
			result.Gaps = append(result.Gaps, Gap{After: oid, Reason: fmt.Sprintf("GET .%s: %s", oid, reason)})
		}
	}
	result.finish()
	return said, result, failed
}

// complaint says why an outcome is no answer to a GET of these objects; empty when it is one.
func (o outcome) complaint(names []snmprec.OID) string {
	sameObject := func(oid snmprec.OID, vb snmprec.Varbind) bool { return oid == vb.OID }
	switch {
	case o.err != nil:
		return o.err.Error()
	case o.lost:
		return "no answer"
	case o.status != gosnmp.NoError:
		return statusName(o.status)
	case !slices.EqualFunc(names, o.varbinds, sameObject):
		return "the device answered with other objects than it was asked for"
	default:
		return ""
	}
}

// askInTurn asks once the budget has a slot.
func (s *Session) askInTurn(ctx context.Context, a ask) outcome {
	turn := s.budget.enqueue()
	defer s.budget.withdraw(turn)
	select {
	case <-turn.granted:
		return s.ask(ctx, a, s.budget.profile.Retries)
	case <-ctx.Done():
		return outcome{err: s.fatal(ctx, context.Cause(ctx))}
	}
}
