package ssh

import (
	"strconv"
	"strings"
)

// lldpBlocks reads lldpctl's text:
//
//	Interface:    eth1, via: LLDP, RID: 2, Time: 0 day, 00:03:36
//	  Chassis:
//	    ChassisID:    mac 00:00:5e:00:53:01
//	    SysDescr:     a text that may go on
//	                  in further lines
//	  Port:
//	    PortID:       ifname swp5
//
// Rules of dashes and headings are between the blocks.
func lldpBlocks(raw []byte, word, kind string) (nodes []lldpNode, where []string, err error) {
	begins := func(line string) bool { return strings.HasPrefix(line, word+":") || strings.HasPrefix(line, "---") }
	for _, r := range records(raw, begins) {
		first := r.lines[0]
		switch {
		case strings.HasPrefix(first, "---"):
			for _, line := range r.lines[1:] {
				if !strings.HasSuffix(line, ":") || !strings.HasPrefix(line, "L") { // "LLDP neighbors:", "Local chassis:"
					return nil, nil, garbled("%q stands between the blocks of lldpd", line)
				}
			}
		case !strings.HasPrefix(first, word+":"):
			return nil, nil, garbled("%q is no block of lldpd", first)
		default:
			nodes = append(nodes, lldpBlock(r.lines, kind))
			where = append(where, "line "+strconv.Itoa(r.line))
		}
	}
	return nodes, where, nil
}

// lldpBlock makes of a block what json0 has of it, as far as it is looked at.
func lldpBlock(lines []string, kind string) lldpNode {
	body := map[string]any{}
	node := lldpNode{kind: kind, body: body}
	sections := map[string]map[string]any{"Chassis": {}, "Port": {}, "VLAN": {}}
	section := ""
	if kind == "interface" {
		head := strings.Split(strings.TrimPrefix(lines[0], "Interface:"), ",")
		node.name = strings.TrimSpace(head[0])
		for _, part := range head[1:] {
			name, value, _ := strings.Cut(part, ":")
			body[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	} else {
		section = "Chassis"
	}
	var last *string
	flushLast := func() {}
	for _, line := range lines[1:] {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		name, value, isField := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		const deepest = 8 // fields are not indented deeper; a text that goes on is
		switch {
		case indent > deepest && last != nil:
			*last += "\n" + strings.TrimSpace(line)
		case !isField || indent > deepest:
		case indent <= 2 && kind == "interface":
			flushLast()
			section, last, flushLast = name, nil, func() {}
			if name == "VLAN" {
				lldpVLAN(body, value)
			}
		case sections[section] != nil:
			flushLast()
			text := value
			last = &text
			into := sections[section]
			flushLast = func() { lldpField(into, name, text) }
		}
	}
	flushLast()
	body["chassis"], body["port"] = sections["Chassis"], sections["Port"]
	return node
}

// lldpField keeps a field under its name in JSON.
func lldpField(into map[string]any, name, value string) {
	list := func(field string, x any) {
		all, _ := into[field].([]any)
		into[field] = append(all, x)
	}
	switch name {
	case "ChassisID", "PortID":
		subtype, id, _ := cutSubtype(value)
		list("id", map[string]any{"type": subtype, "value": id})
	case "SysName":
		into["name"] = value
	case "SysDescr", "PortDescr":
		into["descr"] = value
	case "MgmtIP":
		list("mgmt-ip", value)
	case "TTL":
		into["ttl"] = value
	case "Capability":
		word, enabled, _ := strings.Cut(value, ",")
		list("capability", map[string]any{"type": word, "enabled": strings.TrimSpace(enabled) == "on"})
	}
}

// cutSubtype cuts "ifname swp1" and "port component 7" into subtype and ID.
func cutSubtype(text string) (subtype, id string, ok bool) {
	for _, two := range []string{"port component ", "agent circuit ID "} {
		if rest, ok := strings.CutPrefix(text, two); ok {
			return strings.TrimSpace(two), rest, true
		}
	}
	return strings.Cut(text, " ")
}

// lldpVLAN keeps "VLAN: 10, pvid: yes office".
func lldpVLAN(body map[string]any, value string) {
	vid, rest, _ := strings.Cut(value, ",")
	_, pvid, _ := strings.Cut(rest, "pvid:")
	all, _ := body["vlan"].([]any)
	body["vlan"] = append(all, map[string]any{"vlan-id": strings.TrimSpace(vid), "pvid": strings.HasPrefix(strings.TrimSpace(pvid), "yes")})
}
