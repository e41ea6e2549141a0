package cli

import (
	"regexp"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

var (
	nameServerVSAN  = regexp.MustCompile(`^VSAN (\d+):$`)
	nameServerEntry = regexp.MustCompile(`^(0x[0-9a-f]{6})\s+(N|NL|F|FL|Nx|Iport|Assoc)\s+([0-9a-f:]{23})(?:\s+\([^)]*\))?\s*(.*)$`)
)

// readNameServer reads "show fcns database": the ports that are logged in anywhere in a fabric, with what they say they are (FC-GS, FC-4 features of SCSI-FCP).
// A port that says it is initiator and target, or neither, stays a port of which nobody has said the role.
func readNameServer(_ answer, file string, d collectors.Device, raw []byte) (read, error) {
	fabric := topology.Key{}
	return eachLine(file, d, raw, func(t *tally, words []string) {
		text := strings.TrimSpace(t.text)
		if m := nameServerVSAN.FindStringSubmatch(text); m != nil {
			var ok bool
			if fabric, ok = t.fabric(m[1]); !ok {
				t.miss("no number of a VSAN")
			}
			return
		}
		m := nameServerEntry.FindStringSubmatch(text)
		switch {
		case m != nil && fabric != (topology.Key{}):
			t.registered(fabric, m)
		case strings.HasPrefix(text, "--"), words[0] == "FCID", words[0] == "Total", strings.HasPrefix(text, "["):
		default:
			t.miss("no entry of the name server")
		}
	})
}

// registered states a port of the name server: address, kind of port, name and features.
func (t *tally) registered(fabric topology.Key, m []string) {
	wwn, err := topology.ParseWWN(m[3])
	if err != nil {
		t.miss(err.Error())
		return
	}
	says := func(feature string) bool { return strings.Contains(m[4], "scsi-fcp:"+feature) }
	role := ""
	switch {
	case says("both"), says("init") && says("target"):
	case says("init"):
		role = "init"
	case says("target"):
		role = "target"
	}
	for _, kind := range portKinds(role) {
		k := topology.Key{Kind: kind, ID: wwn.String()}
		t.say.set(k, topology.AttrWWPN, topology.WWNValue(wwn))
		t.say.text(k, topology.AttrNPortID, m[1])
		t.say.relate(k, topology.MemberOf, fabric)
	}
}
