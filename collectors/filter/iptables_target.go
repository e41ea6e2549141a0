package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// Targets that let the packet go on as it is, as far as the model holds it (iptables-extensions(8)): they count, log, or write what only the device itself, its queues or the
// ends look at.
var passingTargets = []string{ //nolint:gochecknoglobals // read-only table
	"AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT", "ECN", "HL", "IDLETIMER", "LED", "LOG", "NFLOG", "RATEEST", "SECMARK", "SET", "TCPMSS", "TCPOPTSTRIP", "TRACE",
	"TTL", "ULOG",
}

// ipTargets are the targets that the model holds. Others are not understood.
var ipTargets = map[string]func(*xtRule) error{ //nolint:gochecknoglobals // read-only table
	"ACCEPT": verdict(policy.Permit), "DROP": verdict(policy.Deny), "RETURN": verdict(policy.Return),
	"REJECT": answer, "NOTRACK": untracked,
	"MARK": setMark, "DSCP": setDSCP, "TOS": setTOS,
	"DNAT": translate(policy.Destination, policy.DestinationPort, "--to-destination"), "SNAT": translate(policy.Source, policy.SourcePort, "--to-source"),
	"MASQUERADE": own(policy.Source, policy.SourcePort), "REDIRECT": own(policy.Destination, policy.DestinationPort), "NETMAP": netmap,
}

func verdict(v policy.Verdict) func(*xtRule) error {
	return func(r *xtRule) error { r.Verdict = v; return nil }
}

// answer is REJECT, whose options say how.
func answer(r *xtRule) error { //nolint:unparam // one of the grammars of targets
	r.Verdict = policy.Reject
	return nil
}

func untracked(r *xtRule) error {
	r.set(policy.ConnState, policy.Is(policy.StateUntracked))
	return r.each(func(option, string) (bool, error) { return false, nil })
}

// ipTarget gives the rule its verdict. A target that was not understood may write anything where tables do so.
func ipTarget(r *xtRule) {
	ipVerdict(r)
	if r.Unparsed != "" && r.table.table != "filter" && r.table.table != "security" {
		r.anything()
	}
}

func ipVerdict(r *xtRule) {
	read, known := ipTargets[r.target]
	switch {
	case r.target == "":
		r.Verdict = policy.Continue
	case r.table.chains[r.target] != nil || !known && r.target != strings.ToUpper(r.target): // a chain may have any name, also one in capitals
		r.Verdict, r.Target = policy.Jump, r.table.chainName(r.target)
		if r.gone {
			r.Verdict = policy.Goto
		}
		for _, o := range r.of {
			r.lost("%s", o)
		}
	case r.gone:
		r.lost("there is no chain %s", r.target)
	case slices.Contains(passingTargets, r.target):
		r.Verdict = policy.Continue
		passing(r)
	case !known:
		r.lost("target %s", r.target)
	default:
		if err := read(r); err != nil {
			r.lost("target %s: %v", r.target, err)
		}
	}
}

// passing holds what some of the targets do that go on.
func passing(r *xtRule) {
	for _, o := range r.of {
		switch o.name {
		case "--notrack":
			r.set(policy.ConnState, policy.Is(policy.StateUntracked))
		case "--restore-mark":
			r.set(policy.Mark, policy.FromTo(0, 1<<32-1)) // what the connection has, which the model does not hold
		}
	}
}

// each hands the options of the target, one by one, to a function; false means that it is not one of them.
func (r *xtRule) each(read func(o option, arg string) (bool, error)) error {
	for _, o := range r.of {
		arg := ""
		if len(o.args) > 0 {
			arg = o.args[0]
		}
		ok, err := read(o, arg)
		if err != nil {
			return err
		}
		if !ok || len(o.args) > 1 || o.not {
			return fmt.Errorf("%s", o)
		}
	}
	return nil
}

// setMark reads --set-xmark and those of which iptables-save makes it: the bits under the mask are zeroed, then the value is combined by exclusive or.
func setMark(r *xtRule) error {
	r.Verdict = policy.Continue
	return r.each(func(o option, arg string) (bool, error) {
		value, mask, err := maskedNumber(arg, 1<<32-1)
		if err != nil {
			return true, err
		}
		switch o.name {
		case "--set-xmark":
			if value&^mask != 0 {
				r.set(policy.Mark, policy.FromTo(0, 1<<32-1)) // bits that are kept are turned
				return true, nil
			}
		case "--set-mark":
			mask |= value
		case "--or-mark":
			mask = value
		case "--and-mark":
			value, mask = 0, ^value&(1<<32-1)
		default:
			return false, nil
		}
		r.setBits(policy.Mark, value, mask, 32)
		return true, nil
	})
}

func setDSCP(r *xtRule) error {
	r.Verdict = policy.Continue
	return r.each(func(o option, arg string) (bool, error) {
		n, err := lookUp(dscpClasses, arg, 63)
		if err == nil {
			r.set(policy.DSCP, policy.Is(n))
		}
		return o.name == "--set-dscp" || o.name == "--set-dscp-class", err
	})
}

func setTOS(r *xtRule) error {
	r.Verdict = policy.Continue
	return r.each(func(o option, arg string) (bool, error) {
		value, mask, err := maskedNumber(arg, 255)
		if err == nil {
			r.setBits(policy.DSCP, value>>2&(mask>>2), mask>>2, 6)
		}
		return o.name == "--set-tos", err
	})
}

// translate is DNAT and SNAT. The address is one of a pool; so is the port, which is kept where none is said.
func translate(address, port policy.Field, name string) func(*xtRule) error {
	return func(r *xtRule) error {
		r.Verdict = policy.Permit
		var hosts, numbers []policy.Range
		err := r.each(func(o option, arg string) (bool, error) {
			switch o.name {
			case name:
				to, ports, err := natAddress(arg, r.family)
				hosts, numbers = append(hosts, to...), append(numbers, ports...)
				return true, err
			case "--random", "--random-fully":
				numbers = append(numbers, randomPorts(port)...)
				return arg == "", nil
			case "--persistent":
				return arg == "", nil
			}
			return false, nil
		})
		if len(hosts) > 0 {
			r.Set = append(r.Set, policy.Assignment{Field: address, Family: r.family, To: hosts})
		}
		if len(numbers) > 0 {
			r.set(port, numbers...)
		}
		if err == nil && len(r.Set) == 0 {
			err = errors.New("it says not where to")
		}
		return err
	}
}

// randomPorts is what --random may choose as a source port; the port of a destination is chosen within what was said.
func randomPorts(port policy.Field) []policy.Range {
	if port == policy.DestinationPort {
		return nil
	}
	return []policy.Range{policy.FromTo(1, 65535)}
}

// own is MASQUERADE and REDIRECT: the address is one of the interface by which the packet leaves, or came.
func own(address, port policy.Field) func(*xtRule) error {
	return func(r *xtRule) error {
		r.Verdict = policy.Permit
		r.Set = append(r.Set, policy.Assignment{Field: address, Family: r.family, Own: true})
		return r.each(func(o option, arg string) (bool, error) {
			switch o.name {
			case "--to-ports":
				of, err := span(arg, "-", 65535)
				if err == nil {
					r.set(port, of)
				}
				return true, err
			case "--random", "--random-fully":
				if of := randomPorts(port); of != nil {
					r.set(port, of...)
				}
				return arg == "", nil
			}
			return false, nil
		})
	}
}

// netmap writes the prefix of the destination before the routing, that of the source behind it. In a chain that a user made it depends on who jumps there.
func netmap(r *xtRule) error {
	r.Verdict = policy.Permit
	field := policy.Destination
	switch r.chain {
	case "PREROUTING", "OUTPUT":
	case "POSTROUTING", "INPUT":
		field = policy.Source
	default:
		return errors.New("in a chain of a user")
	}
	return r.each(func(o option, arg string) (bool, error) {
		base, keep, err := prefixOf(arg, r.family)
		if err == nil {
			r.Set = append(r.Set, policy.Assignment{Field: field, Family: r.family, To: []policy.Range{{Lo: base, Hi: base}}, Keep: keep})
		}
		return o.name == "--to", err
	})
}
