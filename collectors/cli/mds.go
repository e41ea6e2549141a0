package cli

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// fabric gives the fabric of a VSAN (Virtual Fabric, T11 FC-SW-5) as this switch knows it.
func (t *tally) fabric(vsan string) (topology.Key, bool) {
	n, err := strconv.ParseUint(vsan, 10, 12)
	if err != nil {
		return topology.Key{}, false
	}
	k := topology.PartKey(topology.FCFabric, t.device, vsan)
	t.say.relate(t.device, topology.Contains, k)
	t.say.set(k, topology.AttrVFID, topology.IntValue(n))
	t.vsan = vsan
	return k, true
}

// The two databases of zones of a fabric: what is in force, and what could be made so. A zone of one name may have other members in each.
const (
	activeZones = "active"
	fullZones   = "full"
)

func readActiveZones(_ answer, file string, d collectors.Device, raw []byte) (read, error) {
	return eachLine(file, d, raw, func(t *tally, words []string) { t.zoneLine(words, activeZones) })
}

func readFullZones(_ answer, file string, d collectors.Device, raw []byte) (read, error) {
	return eachLine(file, d, raw, func(t *tally, words []string) { t.zoneLine(words, fullZones) })
}

// zoneLine reads a line of "show zoneset active", "show zoneset" or "show zone": sets, zones in them, members of these, and aliases with their members.
func (t *tally) zoneLine(words []string, database string) {
	named := len(words) == 5 && words[1] == "name" && words[3] == "vsan"
	switch {
	case words[0] == "zoneset" && named:
		fabric, ok := t.fabric(words[4])
		t.set, t.zone = topology.Key{}, topology.Key{}
		if !ok {
			t.miss("no number of a VSAN")
			return
		}
		t.set = topology.PartKey(topology.FCZoneSet, t.device, t.vsan, database, words[2])
		t.say.relate(t.device, topology.Contains, t.set)
		t.say.text(t.set, topology.AttrName, words[2])
		t.say.text(t.set, topology.AttrState, map[string]string{activeZones: "active", fullZones: "configured"}[database])
		t.say.relate(t.set, topology.MemberOf, fabric)
	case words[0] == "zone" && named:
		if _, ok := t.fabric(words[4]); !ok {
			t.zone = topology.Key{}
			t.miss("no number of a VSAN")
			return
		}
		t.zone = topology.PartKey(topology.FCZone, t.device, t.vsan, database, words[2])
		t.say.relate(t.device, topology.Contains, t.zone)
		t.say.text(t.zone, topology.AttrName, words[2])
		if strings.HasPrefix(words[2], routedPrefix) && database == activeZones {
			t.say.text(t.zone, topology.AttrForwardMode, "inter-fabric")
		}
		if t.set != (topology.Key{}) {
			t.say.relate(t.zone, topology.MemberOf, t.set)
		}
	case words[0] == "fcalias" && named:
		// Its members follow, one by one, as if they were the zone's own: and they are.
	case t.zone == (topology.Key{}):
		t.miss("a member of no zone")
	default:
		t.member(words)
	}
}

// routedPrefix begins the names of the zones in force that inter-VSAN routing has made (Cisco MDS 9000 Inter-VSAN Routing Configuration Guide).
const routedPrefix = "IVRZ_"

var (
	fcidMember  = regexp.MustCompile(`^fcid (0x[0-9a-f]{6})(?: \[(.*?)\])?(?: \[.*\])?((?: (?:init|initiator|target|both))?)$`)
	plainMember = regexp.MustCompile(`^(pwwn) ([0-9a-f:]{23})(?: \[.*\])?((?: +(?:init|initiator|target|both))?)$`)
	namedMember = regexp.MustCompile(`^(nwwn|fwwn|device-alias|fcid|interface|domain-id|ip-address|symbolic-nodename|symbolic-portname) \S.*$`)
)

// member reads a member of a zone. In the active set "*" says that the port is logged in, and "fcid" which address it got (Cisco MDS 9000 Fabric Configuration
// Guide, "Configuring and Managing Zones"). The port's name is known where the member is one, or where the switch says it in brackets.
func (t *tally) member(words []string) {
	loggedIn := words[0] == "*"
	if loggedIn {
		words = words[1:]
	}
	text := strings.Join(words, " ")
	var name, role, address string
	if m := fcidMember.FindStringSubmatch(text); m != nil && loggedIn {
		address, role = m[1], m[3]
		name, _ = strings.CutPrefix(m[2], "pwwn ")
		text = "fcid " + address
	} else if m := plainMember.FindStringSubmatch(text); m != nil {
		name, role = m[2], m[3]
	} else if !namedMember.MatchString(text) {
		t.miss("no member of a zone that is known")
		t.say.text(t.zone, topology.AttrUnparsed, t.file+":"+strconv.Itoa(t.n)+": "+withoutSecrets(text))
		return
	}
	wwn, err := topology.ParseWWN(name)
	role = strings.TrimSpace(role)
	if err != nil {
		// Which port it is, nobody says here: the zone keeps it in its words.
		t.say.text(t.zone, topology.AttrZoneMember, strings.TrimRight(text+" "+role, " ")+loginText(loggedIn, ""))
		return
	}
	words = []string{"pwwn", wwn.String()}
	if role != "" {
		words = append(words, role)
	}
	t.say.text(t.zone, topology.AttrZoneMember, strings.Join(words, " ")+loginText(loggedIn, address))
	for _, kind := range portKinds(role) {
		k := topology.Key{Kind: kind, ID: wwn.String()}
		t.say.set(k, topology.AttrWWPN, topology.WWNValue(wwn))
		t.say.relate(k, topology.MemberOf, t.zone)
		t.say.text(k, topology.AttrNPortID, address)
	}
}

// loginText says of a member that it is logged in, and its address.
func loginText(loggedIn bool, address string) string {
	if !loggedIn {
		return ""
	}
	return strings.TrimRight(" logged-in "+address, " ")
}

// portKinds tells what a port is by the role that its zone gives it. Without one it is a port whose role nobody has said.
func portKinds(role string) []topology.Kind {
	switch role {
	case "init", "initiator":
		return []topology.Kind{topology.InitiatorPort}
	case "target":
		return []topology.Kind{topology.TargetPort}
	}
	return []topology.Kind{topology.FCPort}
}

var (
	zoneStatus  = regexp.MustCompile(`^VSAN: (\d+) default-zone: (\S+) `)
	smartZoning = regexp.MustCompile(`^\s*smart-zoning: (\S+)`)
)

// defaultZone is the zone of the ports that are in no active zone; its state is permit or deny.
const defaultZone = "default-zone"

// readZoneStatus reads "show zone status": what ports may do that are in no zone, and whether roles count (smart zoning). The rest is about its size and age.
func readZoneStatus(_ answer, file string, d collectors.Device, raw []byte) (read, error) {
	fabric := topology.Key{}
	return eachLine(file, d, raw, func(t *tally, words []string) {
		if m := zoneStatus.FindStringSubmatch(t.text); m != nil {
			k, ok := t.fabric(m[1])
			if !ok || m[2] != "permit" && m[2] != "deny" {
				t.miss("no default zone that is known")
				return
			}
			fabric = k
			zone := topology.PartKey(topology.FCZone, t.device, t.vsan, activeZones, defaultZone)
			t.say.relate(t.device, topology.Contains, zone)
			t.say.relate(zone, topology.MemberOf, fabric)
			t.say.text(zone, topology.AttrName, defaultZone)
			t.say.text(zone, topology.AttrState, m[2])
		} else if m := smartZoning.FindStringSubmatch(t.text); m != nil && fabric != (topology.Key{}) {
			t.say.text(fabric, topology.AttrForwardMode, map[string]string{"enabled": "smart-zoning", "disabled": "zoning"}[m[1]])
		} else if fabric == (topology.Key{}) && words[0] != "Zone" {
			t.miss("before the first VSAN")
		}
	})
}

var aliasLine = regexp.MustCompile(`^device-alias name (\S+) pwwn ([0-9a-f:]{23})$`)

// readDeviceAliases reads "show device-alias database": names that people gave to ports.
func readDeviceAliases(_ answer, file string, d collectors.Device, raw []byte) (read, error) {
	return eachLine(file, d, raw, func(t *tally, _ []string) {
		m := aliasLine.FindStringSubmatch(strings.TrimSpace(t.text))
		if m == nil {
			if !strings.HasPrefix(t.text, "Total number of entries") {
				t.miss("no alias")
			}
			return
		}
		wwn, err := topology.ParseWWN(m[2])
		if err != nil {
			t.miss(err.Error())
			return
		}
		alias := topology.PartKey(topology.FCZoneAlias, t.device, m[1])
		port := topology.Key{Kind: topology.FCPort, ID: wwn.String()}
		t.say.relate(t.device, topology.Contains, alias)
		t.say.text(alias, topology.AttrName, m[1])
		t.say.set(port, topology.AttrWWPN, topology.WWNValue(wwn))
		t.say.text(port, topology.AttrName, m[1])
		t.say.relate(port, topology.MemberOf, alias)
	})
}

// readLogins reads "show flogi database": interface, VSAN, address, port name, node name; and beneath an entry its alias in brackets.
func readLogins(_ answer, file string, d collectors.Device, raw []byte) (read, error) {
	return eachLine(file, d, raw, func(t *tally, words []string) {
		switch {
		case len(words) == 5 && strings.HasPrefix(words[2], "0x"):
			t.login(words)
		case strings.HasPrefix(words[0], "--") || words[0] == "INTERFACE" || words[0] == "Total" || strings.HasPrefix(words[0], "["):
		default:
			t.miss("no login")
		}
	})
}

func (t *tally) login(words []string) {
	port, err := topology.ParseWWN(words[3])
	node, err2 := topology.ParseWWN(words[4])
	if err := cmp.Or(err, err2); err != nil {
		t.miss(err.Error())
		return
	}
	fabric, ok := t.fabric(words[1])
	if !ok {
		t.miss("no number of a VSAN")
		return
	}
	face := topology.PartKey(topology.FCPort, t.device, words[0])
	k := topology.Key{Kind: topology.FCPort, ID: port.String()}
	t.say.relate(t.device, topology.Contains, face)
	t.say.relate(face, topology.MemberOf, fabric)
	t.say.text(face, topology.AttrIfName, words[0])
	t.say.set(k, topology.AttrWWPN, topology.WWNValue(port))
	t.say.set(k, topology.AttrWWNN, topology.WWNValue(node))
	t.say.text(k, topology.AttrNPortID, words[2])
	t.say.relate(k, topology.LoggedIn, face)
}
