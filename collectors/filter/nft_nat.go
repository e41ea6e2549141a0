package filter

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/throughline-dc/throughline/topology/policy"
)

// translate is dnat and snat.
func (r *nftRule) translate(kind string, object map[string]any) error {
	address, port := policy.Destination, policy.DestinationPort
	if kind == "snat" {
		address, port = policy.Source, policy.SourcePort
	}
	r.all(func(d *draft) { d.Verdict = policy.Permit })
	family := map[string]policy.Family{"ip": policy.IPv4, "ip6": policy.IPv6}[text(object["family"])]
	if family == 0 {
		family = nftFamilies[r.name.family]
	}
	if err := r.assign(object["addr"], func(d *draft, v any) error { return assignAddress(d, address, port, family, v) }); err != nil {
		return err
	}
	if err := r.assign(object["port"], func(d *draft, v any) error { return assignPort(d, port, v) }); err != nil {
		return err
	}
	if object["addr"] == nil && object["port"] == nil {
		return errors.New("it says not where to")
	}
	return r.random(port, object)
}

// ownAddress is masquerade and redirect.
func (r *nftRule) ownAddress(kind string, object map[string]any) error {
	address, port := policy.Source, policy.SourcePort
	if kind == "redirect" {
		address, port = policy.Destination, policy.DestinationPort
	}
	r.all(func(d *draft) {
		d.Verdict = policy.Permit
		for _, family := range []policy.Family{policy.IPv4, policy.IPv6} {
			if d.family&family != 0 {
				d.Set = append(d.Set, policy.Assignment{Field: address, Family: family, Own: true})
			}
		}
	})
	if err := r.assign(object["port"], func(d *draft, v any) error { return assignPort(d, port, v) }); err != nil {
		return err
	}
	return r.random(port, object)
}

// random is the flag by which a source port is chosen.
func (r *nftRule) random(port policy.Field, object map[string]any) error {
	for _, flag := range words(object["flags"]) {
		switch flag {
		case "random", "fully-random":
			if of := randomPorts(port); of != nil && object["port"] == nil {
				r.all(func(d *draft) { d.set(port, of...) })
			}
		case "persistent", "netmap":
		default:
			return fmt.Errorf("flag %s", flag)
		}
	}
	return nil
}

// assign hands a value to every branch: the one that stands there, or what a map has for each of its elements.
func (r *nftRule) assign(v any, do func(d *draft, v any) error) error {
	if v == nil {
		return nil
	}
	object, ok := v.(map[string]any)
	inner, isMap := object["map"].(map[string]any)
	if !ok || !isMap {
		var err error
		r.all(func(d *draft) {
			if e := do(d, v); e != nil {
				err = e
			}
		})
		return err
	}
	if chosen, ok := inner["key"].(map[string]any); ok && (chosen["numgen"] != nil || chosen["jhash"] != nil || chosen["symhash"] != nil) {
		return r.anyOf(inner["data"], do)
	}
	alternatives, err := r.lookUp(inner["key"], inner["data"])
	if err != nil {
		return err
	}
	r.branch(v, alternatives, do)
	return nil
}

// anyOf assigns a pool: what a generator of numbers or a hash chooses from.
func (r *nftRule) anyOf(data any, do func(d *draft, v any) error) error {
	elements, changes, err := r.elements(data)
	if err != nil || changes != "" {
		return fmt.Errorf("a pool that changes: %w", err)
	}
	r.all(func(d *draft) {
		before := len(d.Set)
		for _, e := range elements {
			if pair, ok := e.([]any); !ok || len(pair) != 2 {
				err = errors.New("no element of a map")
			} else if failed := do(d, pair[1]); failed != nil {
				err = failed
			}
		}
		for i := len(d.Set) - 1; i > before; i-- { // one assignment, of all of them
			if d.Set[i].Field != d.Set[before].Field || d.Set[i].Family != d.Set[before].Family {
				err = errors.New("addresses and ports together")
				continue
			}
			d.Set[before].To = append(d.Set[before].To, d.Set[i].To...)
			d.Set = d.Set[:i]
		}
	})
	return err
}

// assignAddress reads an address, a range or a prefix, or an address and a port.
func assignAddress(d *draft, field, port policy.Field, family policy.Family, v any) error {
	object, _ := v.(map[string]any)
	if parts, ok := object["concat"].([]any); ok {
		if len(parts) != 2 {
			return fmt.Errorf("%d parts where there are address and port", len(parts))
		}
		if err := assignPort(d, port, parts[1]); err != nil {
			return err
		}
		return assignAddress(d, field, port, family, parts[0])
	}
	first := text(v)
	if list, ok := object["range"].([]any); ok && len(list) == 2 {
		first = text(list[0])
	}
	p, isPrefix := object["prefix"].(map[string]any)
	if isPrefix {
		first = text(p["addr"])
	}
	a, err := netip.ParseAddr(first)
	if err != nil || family&familyOf(a) == 0 {
		return errors.New("no address of this family")
	}
	k := key{field: field, family: familyOf(a)}
	of, err := k.ranges(v)
	if err != nil {
		return err
	}
	assigned := policy.Assignment{Field: field, Family: k.family, To: of}
	if isPrefix { // the bits of the host are kept (netmap)
		assigned.To = []policy.Range{{Lo: of[0].Lo, Hi: of[0].Lo}}
		assigned.Keep = policy.Word{Hi: of[0].Lo.Hi ^ of[0].Hi.Hi, Lo: of[0].Lo.Lo ^ of[0].Hi.Lo}
	}
	d.Set = append(d.Set, assigned)
	return nil
}

func assignPort(d *draft, field policy.Field, v any) error {
	k := key{field: field, most: 65535}
	of, err := k.ranges(v)
	if err == nil {
		d.set(field, of...)
	}
	return err
}
