package cli

import (
	"slices"

	"github.com/throughline-dc/throughline/topology/policy"
)

// rest reads the options behind the addresses. The first that is not understood ends it: those before it stay.
func (e *entry) rest() (why string) {
	for len(e.words) > 0 {
		w := e.take()
		switch w {
		case "log", "log-input":
			// It matches as without. A word of the administrator's own may follow, which marks the messages.
			if len(e.words) == 1 && !option(e.next()) {
				e.take()
			}
		case "fragments":
			e.later = true
			e.option(policy.Fragment, policy.Is(policy.FragmentLater))
		case "time-range":
			e.unsure("time range " + e.take())
		case "reflect":
			// The packet passes; replies will at the list's evaluate.
			e.take()
			e.takePair("timeout")
		case "dscp", "precedence", "tos":
			why = e.classOfService(w)
		case "established", "match-all", "match-any":
			why = e.flags(w)
		default:
			why = e.word(w)
		}
		if why != "" {
			return why
		}
	}
	return ""
}

// option tells whether a word begins an option.
func option(w string) bool {
	return tcpFlags[w] != 0 || slices.Contains([]string{
		"log", "log-input", "fragments", "time-range", "reflect", "dscp", "precedence", "tos", "established", "match-all", "match-any", "ttl", "option",
	}, w)
}

func (e *entry) option(f policy.Field, of ...policy.Range) {
	e.options = append(e.options, policy.Term{Field: f, Of: of})
}

func (e *entry) unsure(why string) {
	if e.uncertain != "" {
		why = e.uncertain + "; " + why
	}
	e.uncertain = why
}

// only tells whether the entry is about one protocol alone.
func (e *entry) only(protocol uint64) bool {
	return len(e.services) == 1 && slices.Equal(e.services[0].protocols, []policy.Range{policy.Is(protocol)})
}

// classOfService reads dscp, precedence or tos: RFC 791's type of service octet is precedence (3 bits), tos (4 bits), 0; RFC 2474's its upper six bits.
func (e *entry) classOfService(kind string) (why string) {
	w := e.take()
	switch kind {
	case "dscp":
		n, ok := number(w, dscps, 63)
		if !ok {
			return "dscp " + w
		}
		e.option(policy.DSCP, policy.Is(n))
	case "precedence":
		n, ok := number(w, precedences, 7)
		if !ok {
			return "precedence " + w
		}
		e.option(policy.DSCP, policy.FromTo(n<<3, n<<3|7))
	default:
		n, ok := number(w, typesOfService, 15)
		if !ok {
			return "tos " + w
		}
		e.option(policy.DSCP, policy.Bits(n>>1, 7))
		e.unsure("the last bit of tos " + w) // the bit that now is the first of ECN
	}
	return ""
}

// flags reads established (ACK or RST is set: no state is asked), and lists of flags that are set (+) or not (-).
func (e *entry) flags(kind string) (why string) {
	if !e.only(protoTCP) {
		return kind + " of a protocol other than TCP"
	}
	e.layer4, e.loose = true, true
	if kind == "established" {
		e.option(policy.TCPFlags, flag("ack"), flag("rst"))
		return ""
	}
	var of []policy.Range
	var value, mask uint64
	for len(e.next()) > 1 && (e.next()[0] == '+' || e.next()[0] == '-') {
		w := e.take()
		bit := tcpFlags[w[1:]]
		if bit == 0 {
			return "flag " + w
		}
		one := policy.Bits(0, bit)
		if w[0] == '+' {
			one = policy.Bits(bit, bit)
			value |= bit
		}
		mask |= bit
		of = append(of, one)
	}
	switch {
	case len(of) == 0:
		return kind + " without flags"
	case kind == "match-all":
		of = []policy.Range{policy.Bits(value, mask)}
	}
	e.option(policy.TCPFlags, of...)
	return ""
}

func flag(name string) policy.Range { return policy.Bits(tcpFlags[name], tcpFlags[name]) }

// word reads an option that begins with a value: a flag, or a message of ICMP.
func (e *entry) word(w string) (why string) {
	switch {
	case tcpFlags[w] != 0 && e.only(protoTCP):
		e.layer4, e.loose = true, true
		of := []policy.Range{flag(w)}
		for tcpFlags[e.next()] != 0 {
			of = append(of, flag(e.take()))
			e.uncertain = "several flags: any of them, or all"
		}
		e.option(policy.TCPFlags, of...)
		return ""
	case e.only(protoICMP) && e.family == policy.IPv4:
		return e.message(w, icmpMessages)
	case e.only(protoICMPv6) && e.family == policy.IPv6:
		return e.message(w, icmp6Messages)
	}
	return "option " + w
}

// message reads a name of ICMP, or type and code as numbers.
func (e *entry) message(w string, names map[string]message) (why string) {
	m, ok := names[w]
	if !ok {
		typ, isNumber := number(w, nil, 255)
		if !isNumber {
			return "option " + w
		}
		m = message{typ, -1}
		if code, isNumber := number(e.next(), nil, 255); isNumber {
			e.take()
			m.code = int(code)
		}
	}
	e.layer4 = true
	e.services[0].icmp = m.terms()
	return ""
}

func (m message) terms() []policy.Term {
	terms := []policy.Term{{Field: policy.ICMPType, Of: []policy.Range{policy.Is(m.typ)}}}
	if m.code >= 0 {
		terms = append(terms, policy.Term{Field: policy.ICMPCode, Of: []policy.Range{policy.Is(uint64(m.code))}})
	}
	return terms
}
