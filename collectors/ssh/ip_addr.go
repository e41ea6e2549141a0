package ssh

import (
	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// ipAddr is ip-address(8): the interfaces once more, with their addresses.
func ipAddr() table {
	return table{
		name: "ip-addr", line: "ip -j -d address show", old: "ip -d address show",
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			s.numbered, rows, left, err = parseLinks(raw)
			s.learn(s.numbered)
			return rows, left, err
		},
		tell: func(s *sheet, say *words) {
			for _, l := range s.numbered {
				k := s.interfaceKey(l.name)
				say.contains(s, k)
				say.Text(k, topology.AttrIfName, l.name)
				for _, p := range sortedPrefixes(l.addresses) {
					say.Set(k, topology.AttrAddress, topology.PrefixValue(p))
				}
			}
		},
	}
}
