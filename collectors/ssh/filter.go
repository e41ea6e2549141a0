package ssh

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/throughline-dc/throughline/topology"
)

// Filters are kept as whole texts, by the SHA-256 of the text, until something reads their rules: hosts of one build share one node. So that the same
// rules are the same text in every sweep, counters and dates are left out, and so are handles, which number the rules in the order of their making and
// which no rule refers to. A host without rules has a text, too: that nothing is filtered is known then.

// filterText is a filter in its canonical form.
type filterText struct{ dialect, text string }

// filterTables are the commands that show packet filters. Only root sees them. Without a rule nft prints the object of its version, while iptables-save prints
// nothing at all, where no table is made or no module of it is loaded (for_each_table, do_output): that is a statement, too. Of rules that are kept by
// the other kind of iptables it warns on standard error: "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them".
func filterTables() []table {
	filter := func(name, line, dialect string, canonical func(t *tally, dialect string, raw []byte) (string, error)) table {
		return table{
			name: name, line: line, root: true, may: true, text: true, but: "tables present, use", parse: parseFilter(name, dialect, canonical),
			tell: func(s *sheet, say *words) { s.tellFilter(say, name) },
		}
	}
	return []table{
		filter("nft", "nft -j list ruleset", "nft-json", canonicalNFT),
		filter("iptables-save", "iptables-save", "iptables-save", canonicalIPTables),
		filter("ip6tables-save", "ip6tables-save", "ip6tables-save", canonicalIPTables),
	}
}

// keepFilter puts a filter on the sheet.
func (s *sheet) keepFilter(table, dialect, text string) {
	if s.filters == nil {
		s.filters = map[string]filterText{}
	}
	s.filters[table] = filterText{dialect, text}
}

// tellFilter states the filter that a table gave.
func (s *sheet) tellFilter(say *words, table string) {
	f, ok := s.filters[table]
	if !ok {
		return
	}
	text := topology.Text([]byte(f.text))
	sum := sha256.Sum256([]byte(text))
	digest := hex.EncodeToString(sum[:])
	k := topology.Key{Kind: topology.FilterText, ID: digest}
	say.Set(k, topology.AttrDialect, topology.TextValue(f.dialect))
	say.Set(k, topology.AttrText, topology.TextValue(text))
	say.Set(k, topology.AttrDigest, topology.TextValue(digest))
	say.Relate(k, topology.AppliesTo, s.device)
}
