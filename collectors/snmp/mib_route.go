package snmp

import (
	"net/netip"

	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// IP-FORWARD-MIB (RFC 4292), the table that it deprecates, and the first one (RFC 1213).
const (
	ipCidrRouteNumber   = 3
	inetCidrRouteNumber = 6

	inetCidrRouteIfIndex = 7
	inetCidrRouteType    = 8
	inetCidrRouteProto   = 9
	inetCidrRouteMetric1 = 12

	ipCidrRouteIfIndex = 5
	ipCidrRouteType    = 6
	ipCidrRouteProto   = 7
	ipCidrRouteMetric1 = 11

	ipRouteIfIndex = 2
	ipRouteMetric1 = 3
	ipRouteNextHop = 7
	ipRouteType    = 8
	ipRouteProto   = 9
	ipRouteMask    = 11
)

func routeMIB() []subject {
	const module = "IP-FORWARD-MIB (RFC 4292)"
	number := func(object uint32) func(told) (int64, bool) {
		return func(as told) (int64, bool) {
			return as[readForward].scalars[mib2(4, 24, object, 0)].Int()
		}
	}
	return []subject{
		{
			Read: Read{
				Name: readForward, MIB: module, OID: mib2(4, 24), Scalar: true,
				Objects: []Object{{ipCidrRouteNumber, "ipCidrRouteNumber"}, {inetCidrRouteNumber, "inetCidrRouteNumber"}},
			},
			state: nothing,
		},
		{
			Read: Read{
				Name: "inetCidrRouteTable", MIB: module, OID: mib2(4, 24, 7, 1), Long: true,
				Objects: []Object{
					{inetCidrRouteIfIndex, "inetCidrRouteIfIndex"},
					{inetCidrRouteType, "inetCidrRouteType"},
					{inetCidrRouteProto, "inetCidrRouteProto"},
					{inetCidrRouteMetric1, "inetCidrRouteMetric1"},
				},
			},
			needs: naming(), count: number(inetCidrRouteNumber), state: stateInetCidrRoutes,
		},
		{
			Read: Read{
				Name: "ipCidrRouteTable", MIB: module, OID: mib2(4, 24, 4, 1), Long: true,
				Objects: []Object{
					{ipCidrRouteIfIndex, "ipCidrRouteIfIndex"},
					{ipCidrRouteType, "ipCidrRouteType"},
					{ipCidrRouteProto, "ipCidrRouteProto"},
					{ipCidrRouteMetric1, "ipCidrRouteMetric1"},
				},
			},
			needs: naming(), count: number(ipCidrRouteNumber), state: stateIPCidrRoutes,
		},
		{
			Read: Read{
				Name: "ipRouteTable", MIB: "RFC1213-MIB (RFC 1213)", OID: mib2(4, 21, 1), Long: true,
				Objects: []Object{
					{ipRouteIfIndex, "ipRouteIfIndex"},
					{ipRouteMetric1, "ipRouteMetric1"},
					{ipRouteNextHop, "ipRouteNextHop"},
					{ipRouteType, "ipRouteType"},
					{ipRouteProto, "ipRouteProto"},
					{ipRouteMask, "ipRouteMask"},
				},
			},
			needs: naming(), count: number(ipCidrRouteNumber), state: stateIPRoutes,
		},
	}
}

// route is a row of any of the three tables.
type route struct {
	prefix         netip.Prefix
	nextHop        netip.Addr // invalid or unspecified: the destination is on the link
	ifIndex        snmprec.Value
	proto, metric1 snmprec.Value
	state          string // "" is forwarding
}

// The types of a route that does not forward (inetCidrRouteType, ipCidrRouteType).
func routeState(v snmprec.Value) string {
	const reject, blackhole = 2, 5
	switch n, _ := v.Int(); n {
	case reject:
		return "reject"
	case blackhole:
		return "blackhole"
	}
	return ""
}

func stateInetCidrRoutes(_ *device, r *report) {
	for row := range r.rows() {
		index := indexOf(row.Index)
		destination := index.inet()
		bits := int(min(index.number(), 255))
		index.skipOID() // inetCidrRoutePolicy
		nextHop := index.inet()
		if !index.ok() || !destination.IsValid() || bits > destination.BitLen() {
			r.misindexed(row)
			continue
		}
		if r.unread(row, inetCidrRouteIfIndex, inetCidrRouteType) {
			continue
		}
		r.route(route{
			prefix: netip.PrefixFrom(destination, bits), nextHop: nextHop, ifIndex: row.Value(inetCidrRouteIfIndex),
			proto: row.Value(inetCidrRouteProto), metric1: row.Value(inetCidrRouteMetric1), state: routeState(row.Value(inetCidrRouteType)),
		})
	}
}

func stateIPCidrRoutes(_ *device, r *report) {
	for row := range r.rows() {
		index := indexOf(row.Index)
		destination, mask := index.ipv4(), index.ipv4()
		index.number() // ipCidrRouteTos
		nextHop := index.ipv4()
		prefix, ok := routePrefix(destination, mask)
		if !index.ok() || !ok {
			r.misindexed(row)
			continue
		}
		if r.unread(row, ipCidrRouteIfIndex, ipCidrRouteType) {
			continue
		}
		r.route(route{
			prefix: prefix, nextHop: nextHop, ifIndex: row.Value(ipCidrRouteIfIndex),
			proto: row.Value(ipCidrRouteProto), metric1: row.Value(ipCidrRouteMetric1), state: routeState(row.Value(ipCidrRouteType)),
		})
	}
}

// stateIPRoutes states nothing where a younger table has the same routes: net-snmp's ipRouteTable goes on showing those that are withdrawn.
func stateIPRoutes(d *device, r *report) {
	const invalid = 2
	younger := d.hasYoungerRoutes()
	for row := range r.rows() {
		index := indexOf(row.Index)
		destination := index.ipv4()
		if !index.ok() {
			r.misindexed(row)
			continue
		}
		if kind, _ := row.Value(ipRouteType).Int(); kind == invalid || r.unread(row, ipRouteIfIndex, ipRouteNextHop, ipRouteType, ipRouteMask) {
			continue
		}
		mask, _ := row.Value(ipRouteMask).Addr()
		prefix, ok := routePrefix(destination, mask)
		if !ok {
			r.misread(ipRouteMask, row.Index, row.Value(ipRouteMask), "no mask of a route")
			continue
		}
		if younger {
			continue
		}
		nextHop, _ := row.Value(ipRouteNextHop).Addr()
		r.route(route{
			prefix: prefix, nextHop: nextHop, ifIndex: row.Value(ipRouteIfIndex), proto: row.Value(ipRouteProto),
			metric1: row.Value(ipRouteMetric1),
		})
	}
}

// hasYoungerRoutes reports whether a table that replaces ipRouteTable was read to its end and has IPv4 routes.
func (d *device) hasYoungerRoutes() bool {
	if cidr := "ipCidrRouteTable"; d.answers.complete(cidr) {
		for range d.answers[cidr].rows.All() {
			return true
		}
	}
	if inet := "inetCidrRouteTable"; d.answers.complete(inet) {
		for row := range d.answers[inet].rows.All() {
			if index := indexOf(row.Index); index.inet().Is4() {
				return true
			}
		}
	}
	return false
}

// routePrefix joins a destination and its mask. Zero is a length for a route: that of the default route.
func routePrefix(destination, mask netip.Addr) (netip.Prefix, bool) {
	if mask.Is4() && mask.IsUnspecified() {
		return netip.PrefixFrom(destination, 0), destination.Is4() && destination.IsUnspecified()
	}
	n, ok := maskBits(mask)
	return netip.PrefixFrom(destination, n), ok && destination.Is4()
}

// route states a route. SNMP without a context sees the default VRF.
func (r *report) route(x route) {
	protocols := []string{
		"other", "local", "static", "icmp", "egp", "ggp", "hello", "rip", "isis", "esis", "igrp", "bbnSpfIgp", "ospf", "bgp", "idpr",
		"eigrp", "dvmrp",
	}
	var via topology.Key
	if n, ok := x.ifIndex.Uint(); ok && n > 0 && n <= maxIfIndex {
		if via, ok = r.port(uint32(n)); !ok {
			return
		}
	}
	towards := ""
	onLink := !x.nextHop.IsValid() || x.nextHop.IsUnspecified()
	switch {
	case !onLink:
		towards = x.nextHop.String()
	case !via.IsZero():
		_, towards, _ = via.Local()
	case x.state != "":
		towards = x.state
	}
	k := topology.PartKey(topology.Route, r.on.key, "default", x.prefix.String(), towards)
	r.part(k)
	r.attr(k, topology.AttrPrefix, topology.PrefixValue(x.prefix))
	if !onLink {
		r.attr(k, topology.AttrNextHop, topology.AddrValue(x.nextHop))
	}
	if !via.IsZero() {
		r.relate(k, topology.RoutesVia, via)
	}
	if n, ok := x.proto.Int(); ok && n >= 1 && n <= int64(len(protocols)) {
		r.attr(k, topology.AttrProtocol, topology.TextValue(protocols[n-1]))
	}
	if n, ok := x.metric1.Int(); ok && n >= 0 {
		r.attr(k, topology.AttrMetric, topology.IntValue(n))
	}
	if x.state != "" {
		r.attr(k, topology.AttrState, topology.TextValue(x.state))
	}
}
