package cli_test

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/cli"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

// textual is an access list as its text: the oracle of this file. It reads a line anew for each packet, word by word, and knows nothing of the package's grammar.
type textual struct {
	standard bool
	lines    []string // from permit or deny on
}

// wire is a packet that is no fragment.
type wire struct {
	source, destination uint32
	protocol            uint64
	from, to            uint64 // ports, or type and code
	flags               uint64
}

var (
	oraclePorts = map[string]uint64{
		"ftp-data": 20, "ftp": 21, "telnet": 23, "smtp": 25, "time": 37, "whois": 43, "domain": 53, "tftp": 69, "finger": 79, "www": 80, "sunrpc": 111, "ident": 113,
		"nntp": 119, "netbios-ns": 137, "netbios-dgm": 138, "netbios-ss": 139, "snmp": 161, "snmptrap": 162, "cmd": 514, "syslog": 514, "lpd": 515,
	}
	portsOfTCPAlone = []string{"ftp-data", "ftp", "telnet", "smtp", "whois", "finger", "www", "ident", "nntp", "cmd", "lpd"}
	portsOfUDPAlone = []string{"tftp", "netbios-ns", "netbios-dgm", "netbios-ss", "snmptrap"}
	oracleProtocols = map[string]uint64{"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ahp": 51, "eigrp": 88, "ospf": 89, "pim": 103}
)

// decide gives permit, deny, or "" where a line has no meaning; without says to pass over that line.
func (o *textual) decide(p wire, without int) string {
	for i, l := range o.lines {
		if i == without {
			continue
		}
		yes, meant := o.match(l, p)
		if !meant {
			return ""
		}
		if yes {
			return strings.Fields(l)[0]
		}
	}
	return "deny"
}

func (o *textual) match(line string, p wire) (yes, meant bool) {
	w := strings.Fields(line)
	next := func() string {
		if len(w) == 0 {
			return ""
		}
		first := w[0]
		w = w[1:]
		return first
	}
	if verb := next(); verb != "permit" && verb != "deny" {
		return false, false
	}
	yes = true
	ports, proto := false, ""
	if !o.standard {
		proto = next()
		number, named := oracleProtocols[proto]
		if !named && proto != "ip" {
			n, err := strconv.ParseUint(proto, 10, 8)
			if err != nil {
				return false, false
			}
			number = n
		}
		yes = proto == "ip" || p.protocol == number
		ports = proto != "ip" && (number == 6 || number == 17 || number == 132)
		proto = strconv.FormatUint(number, 10)
	}
	for _, side := range []struct {
		address uint32
		port    uint64
	}{{p.source, p.from}, {p.destination, p.to}} {
		in, ok := oracleAddress(&w, side.address, o.standard)
		if !ok {
			return false, false
		}
		yes = yes && in
		if o.standard {
			break
		}
		in, ok = oraclePort(&w, side.port, ports, proto)
		if !ok {
			return false, false
		}
		yes = yes && in
	}
	for len(w) > 0 {
		switch option := next(); {
		case option == "log" || option == "log-input":
			if len(w) == 1 && !slices.Contains([]string{"log", "log-input", "established", "fragments", "fin", "syn", "rst", "psh", "ack", "urg", "tos", "precedence", "dscp"}, w[0]) {
				w = nil
			}
		case option == "established" && proto == "6":
			yes = yes && p.flags&(4|16) != 0
		default:
			return false, false
		}
	}
	return yes, true
}

func oracleAddress(w *[]string, is uint32, standard bool) (in, ok bool) {
	if len(*w) == 0 {
		return false, false
	}
	first := (*w)[0]
	*w = (*w)[1:]
	word := func(text string) (uint32, bool) {
		a, err := netip.ParseAddr(text)
		if err != nil || !a.Is4() {
			return 0, false
		}
		b := a.As4()
		return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]), true
	}
	if first == "any" {
		return true, true
	}
	if first == "host" {
		if len(*w) == 0 {
			return false, false
		}
		first = (*w)[0]
		*w = (*w)[1:]
		a, ok := word(first)
		return a == is, ok
	}
	a, ok := word(first)
	if !ok {
		return false, false
	}
	if len(*w) > 0 {
		if wild, ok := word((*w)[0]); ok {
			*w = (*w)[1:]
			return (a^is)&^wild == 0, true
		}
	}
	return a == is, standard
}

func oraclePort(w *[]string, is uint64, ports bool, proto string) (in, ok bool) {
	if len(*w) == 0 || !slices.Contains([]string{"eq", "neq", "lt", "gt", "range"}, (*w)[0]) {
		return true, true
	}
	op := (*w)[0]
	*w = (*w)[1:]
	take := func() (uint64, bool) {
		if len(*w) == 0 {
			return 0, false
		}
		text := (*w)[0]
		n, named := oraclePorts[text]
		if proto == "17" && slices.Contains(portsOfTCPAlone, text) || proto == "6" && slices.Contains(portsOfUDPAlone, text) || proto == "132" && named {
			return 0, false
		}
		if !named {
			var err error
			if n, err = strconv.ParseUint(text, 10, 16); err != nil {
				return 0, false
			}
		}
		*w = (*w)[1:]
		return n, true
	}
	first, ok := take()
	if !ok || !ports {
		return false, false
	}
	switch op {
	case "lt":
		return is < first, first > 0
	case "gt":
		return is > first, first < 65535
	case "range":
		last, ok := take()
		return is >= min(first, last) && is <= max(first, last), ok
	}
	of := []uint64{first}
	for {
		n, ok := take()
		if !ok {
			return slices.Contains(of, is) == (op == "eq"), true
		}
		of = append(of, n)
	}
}

// packet gives it as sets have it.
func (p wire) packet(h *reach.Headers) packet.Packet {
	values := map[string]uint64{
		"source": uint64(p.source), "destination": uint64(p.destination), "protocol": p.protocol, "sourcePort": p.from, "destinationPort": p.to, "tcpFlags": p.flags,
	}
	out := make(packet.Packet, len(h.Fields()))
	for i, f := range h.Fields() {
		out[i] = packet.V(values[f.Name])
	}
	return out
}

func wireOf(h *reach.Headers, p packet.Packet) wire {
	values := map[string]uint64{}
	for i, f := range h.Fields() {
		values[f.Name] = p[i].Lo
	}
	return wire{
		uint32(values["source"]), uint32(values["destination"]), values["protocol"], values["sourcePort"], values["destinationPort"], values["tcpFlags"],
	}
}

// stanfordLists reads the lists of all 16 configurations as texts.
func stanfordLists(t *testing.T) []textual {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpus(t, "stanford-backbone"), "ios", "*_config.txt"))
	if err != nil {
		t.Fatal(err)
	}
	numbered := regexp.MustCompile(`^access-list (\d+) ((?:permit|deny) .*)$`)
	var all []textual
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at, name := map[string]int{}, ""
		for line := range strings.Lines(string(raw)) {
			line = strings.TrimRight(line, "\n")
			entry := ""
			if m := numbered.FindStringSubmatch(line); m != nil {
				name, entry = m[1], m[2]
			} else if w := strings.Fields(line); len(w) == 4 && w[0] == "ip" && w[1] == "access-list" {
				name = w[2] + " " + w[3]
			} else if strings.HasPrefix(line, " permit ") || strings.HasPrefix(line, " deny ") {
				entry = strings.TrimSpace(line)
			}
			if entry == "" {
				continue
			}
			if _, seen := at[name]; !seen {
				at[name] = len(all)
				n, err := strconv.Atoi(name)
				all = append(all, textual{standard: strings.HasPrefix(name, "standard ") || err == nil && (n < 100 || n >= 1300 && n < 2000)})
			}
			all[at[name]].lines = append(all[at[name]].lines, entry)
		}
	}
	return all
}

// sets is what the product makes of a list: packets that must and may pass, and whether a line was not understood.
func (o *textual) sets(t *testing.T, h *reach.Headers) (must, may packet.Set, lost []bool) {
	t.Helper()
	c := o.config(t)
	filters := map[string]*policy.Filter{}
	for _, f := range c.Filters {
		filters[f.Name] = f
	}
	for _, l := range c.Lines[1:] {
		lost = append(lost, l.State == cli.Unparsed)
	}
	whole := unbroken(h)
	return h.Intersect(whole, h.Pass(filters, "X", reach.Context{}, reach.Must, h.Valid)), h.Intersect(whole, h.Pass(filters, "X", reach.Context{}, reach.May, h.Valid)), lost
}

// config is the list as a configuration.
func (o *textual) config(t *testing.T) *cli.Config {
	t.Helper()
	text := "ip access-list extended X\n " + strings.Join(o.lines, "\n ") + "\n"
	if o.standard {
		text = strings.Replace(text, "extended", "standard", 1)
	}
	c, err := cli.ReadConfig("ios-config", "f", collectors.Device{Handle: "r"}, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// told is how packets fare by the difference of two lists.
type told []reach.Rewrite

// fate tells it of one packet; "" is as before.
func (d told) fate(p wire) string {
	for _, r := range d {
		for _, part := range r.Parts {
			if part.Headers.Has(part.Packets, p.packet(part.Headers)) {
				return part.Fate.String()
			}
		}
	}
	return ""
}

// checkDifference holds what is told of an edit against the texts: each packet that is permitted by one and denied by the other is told, and no other one; of a line without
// meaning all is in doubt that comes to it.
func checkDifference(t *testing.T, says func(string, ...any), r *rand.Rand, old, now *textual, i int, meant bool) (differs bool) {
	t.Helper()
	diff, err := reach.RewrittenPolicies(old.config(t).Filters, now.config(t).Filters)
	if err != nil {
		says("%v", err)
		return false
	}
	for _, rewrite := range diff {
		for _, part := range rewrite.Parts {
			h := part.Headers
			if h.Intersect(part.Packets, unbroken(h)) == packet.Empty {
				continue // of later fragments the texts do not speak
			}
			differs = differs || part.Fate == reach.NewlyDropped || part.Fate == reach.NewlyPassed
			if part.Fate == reach.Doubtful && meant || part.Fate == reach.SentAs {
				says("%s: %s", part.Fate, h.Describe(part.Packets, 3))
			}
		}
	}
	for range 100 {
		p := near(r, now.lines, now.lines[i], old.lines[i])
		was, is, got := old.decide(p, -1), now.decide(p, -1), told(diff).fate(p)
		switch {
		case !meant && is == "": // it comes to the line, which may match, or not
			if without := now.decide(p, i); got == "" && without != was {
				says("packet %+v was %s, is %s without the line, and nothing is told", p, was, without)
			}
		case was == is && got != "", was != is && got != map[string]string{"deny": "dropped", "permit": "passed"}[is]:
			says("packet %+v was %s and is %s, and it is told to be %q", p, was, is, got)
		}
	}
	return differs
}

// unbroken is the packets that are no fragments.
func unbroken(h *reach.Headers) packet.Set {
	at := slices.IndexFunc(h.Fields(), func(f packet.Field) bool { return f.Name == "fragment" })
	return h.Intersect(h.Valid, h.Box(packet.Box{{Field: at, Of: []packet.Values{policy.Is(policy.FragmentNone)}}}, packet.Full))
}

// otherWords are words that may stand in each other's place.
var otherWords = map[string]string{
	"permit": "deny", "deny": "permit", "tcp": "udp", "udp": "tcp", "ip": "tcp", "icmp": "ip", "eq": "neq", "range": "eq", "gt": "lt", "www": "smtp", "any": "host", "host": "any",
}

// edit changes one word of a line: another one in its place, none, or twice; mostly one that may stand there.
func edit(r *rand.Rand, line string, pool []string) string {
	w := strings.Fields(line)
	i := r.IntN(len(w))
	switch r.IntN(12) {
	case 0:
		w = slices.Delete(w, i, i+1)
	case 1:
		w = slices.Insert(w, i, w[i])
	case 2:
		w[i] = pool[r.IntN(len(pool))]
	case 3:
		w[i] = "frobnicate"
	default:
		for ; ; i = r.IntN(len(w)) {
			if a, err := netip.ParseAddr(w[i]); err == nil && a.Is4() {
				b := a.As4()
				b[r.IntN(4)] ^= 1 << r.IntN(8)
				w[i] = netip.AddrFrom4(b).String()
			} else if n, err := strconv.Atoi(w[i]); err == nil {
				w[i] = strconv.Itoa(n + 1 - 2*r.IntN(2))
			} else if other := otherWords[w[i]]; other != "" {
				w[i] = other
			} else {
				continue
			}
			break
		}
	}
	return strings.Join(w, " ")
}

// near draws a packet that lies at an edge of what some line says.
func near(r *rand.Rand, lines []string, favoured ...string) wire {
	line := favoured[r.IntN(len(favoured))]
	if r.IntN(3) == 0 {
		line = lines[r.IntN(len(lines))]
	}
	p := wire{source: r.Uint32(), destination: r.Uint32(), protocol: []uint64{1, 6, 17, 47}[r.IntN(4)], from: uint64(r.IntN(65536)), to: uint64(r.IntN(65536)), flags: uint64(r.IntN(256))}
	var addresses []uint32
	var numbers []uint64
	for w := range strings.FieldsSeq(line) {
		if a, err := netip.ParseAddr(w); err == nil && a.Is4() {
			b := a.As4()
			addresses = append(addresses, uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3]))
		} else if n, err := strconv.ParseUint(w, 10, 16); err == nil {
			numbers = append(numbers, n)
		} else if n, ok := oraclePorts[w]; ok {
			numbers = append(numbers, n)
		} else if n, ok := oracleProtocols[w]; ok {
			p.protocol = n
		}
	}
	pick := func() uint32 {
		a := addresses[r.IntN(len(addresses))]
		return a + []uint32{0, 0, 0, 1, ^uint32(0), 255}[r.IntN(6)] ^ uint32(r.IntN(2))<<r.IntN(32)
	}
	if len(addresses) > 0 {
		p.source, p.destination = pick(), pick()
	}
	if len(numbers) > 0 {
		p.from, p.to = numbers[r.IntN(len(numbers))], numbers[r.IntN(len(numbers))]+uint64(r.IntN(3))
		if r.IntN(2) == 0 {
			p.from = uint64(r.IntN(65536))
		}
	}
	switch p.protocol {
	case 1:
		p.from, p.to, p.flags = p.from&255, p.to&255, 0
	case 6:
		p.from, p.to = p.from&65535, p.to&65535
	case 17:
		p.from, p.to, p.flags = p.from&65535, p.to&65535, 0
	default:
		p.from, p.to, p.flags = 0, 0, 0
	}
	return p
}

// A thousand edits of one word: each is reported as a difference if and only if the text means something else, and what has no meaning is never taken for one.
func TestStanford_edits(t *testing.T) {
	t.Parallel()
	lists := stanfordLists(t)
	var pool []string
	for _, l := range lists {
		for _, line := range l.lines {
			pool = append(pool, strings.Fields(line)...)
		}
	}
	const edits, packets = 1000, 100
	seed := uint64(20261122)
	r := rand.New(rand.NewPCG(seed, seed))
	changed, meaningless, large := 0, 0, 0
	for n := range edits {
		old := &lists[r.IntN(len(lists))]
		i := r.IntN(len(old.lines))
		now := &textual{old.standard, slices.Clone(old.lines)}
		now.lines[i] = edit(r, old.lines[i], pool)
		if strings.TrimSpace(now.lines[i]) == "" || now.lines[i] == old.lines[i] {
			continue
		}
		h := reach.NewHeaders(policy.IPv4, reach.Orders[n%3], 1<<22)
		var mustOld, mayOld, must, may packet.Set
		var lost []bool
		if h.Try(func() {
			mustOld, mayOld, _ = old.sets(t, h)
			must, may, lost = now.sets(t, h)
		}) != nil {
			large++ // a wildcard of more than 16 open bits in its middle: an answer would be unknown
			continue
		}
		says := func(format string, args ...any) {
			t.Errorf("edit %d, %q instead of %q: %s", n, now.lines[i], old.lines[i], fmt.Sprintf(format, args...))
		}
		if mustOld != mayOld {
			says("the list was not certain before")
		}
		_, meant := now.match(now.lines[i], wire{})
		if lost[i] == meant {
			says("understood %t, and it means something %t", !lost[i], meant)
			continue
		}
		if told := checkDifference(t, says, r, old, now, i, meant); meant && told != (must != mustOld) {
			says("a difference is told: %t, of what passes: %t", told, must != mustOld)
		}
		if !meant {
			meaningless++
			checkDoubt(t, says, r, now, i, h, must, may)
			continue
		}
		difference := h.Union(h.Minus(must, mustOld), h.Minus(mustOld, must))
		if p, differs := h.Pick(difference); differs {
			changed++
			if is := wireOf(h, p); old.decide(is, -1) == now.decide(is, -1) {
				says("packet %+v is said to differ: %s", is, now.decide(is, -1))
			}
		}
		for range packets {
			p := near(r, now.lines, now.lines[i], old.lines[i])
			if want := now.decide(p, -1) == "permit"; h.Has(must, p.packet(h)) != want || h.Has(may, p.packet(h)) != want {
				says("packet %+v: passes %t, must %t, may %t", p, want, h.Has(must, p.packet(h)), h.Has(may, p.packet(h)))
			}
		}
	}
	t.Logf("%d edits: %d change what passes, %d have no meaning", edits, changed, meaningless)
	if changed < edits/4 || large > edits/20 || meaningless < edits/10 || bits.Len(uint(len(lists))) < 4 {
		t.Errorf("%d change what passes, %d have no meaning, %d are too large, of %d lists", changed, meaningless, large, len(lists))
	}
}

// checkDoubt: a line that means nothing leaves certain only what is so without it.
func checkDoubt(t *testing.T, says func(string, ...any), r *rand.Rand, now *textual, i int, h *reach.Headers, must, may packet.Set) {
	t.Helper()
	for range 50 {
		p := near(r, now.lines, now.lines[i])
		at := p.packet(h)
		if without := now.decide(p, i) == "permit"; h.Has(must, at) && !without || !h.Has(may, at) && without {
			says("packet %+v: without the line it passes %t, must %t, may %t", p, without, h.Has(must, at), h.Has(may, at))
		}
	}
}

// An edit of a line that is understood, other than of a list, shows in the facts, or the line is not understood any more, or has become one of the harmless ones.
func TestStanford_editsOfStatements(t *testing.T) {
	t.Parallel()
	// Words that are understood and change nothing: the number of a group, that an address is a further one, and VLANs of a port that is in another mode.
	silent := regexp.MustCompile(`^standby \S+ ip|^ip address .* secondary$|^switchport (access|trunk)`)
	r := rand.New(rand.NewPCG(7, 7))
	seen, edited := 0, 0
	for _, router := range []string{"bbrb", "roza", "cozb", "sozb"} {
		text := stanford(t, router)
		lines := strings.Split(text, "\n")
		before := factTexts(t, text)
		pool := strings.Fields(text)
		for range 150 {
			i := r.IntN(len(lines))
			w := strings.TrimSpace(lines[i])
			if w == "" || w[0] == '!' || permitLine.MatchString(w) || strings.Contains(w, " remark ") {
				continue
			}
			now := slices.Clone(lines)
			indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " "))]
			now[i] = indent + editStatement(r, w, pool)
			if strings.TrimSpace(now[i]) == w || strings.TrimSpace(now[i]) == "" {
				continue
			}
			c, err := cli.ReadConfig("ios-config", "f", collectors.Device{Handle: "r"}, []byte(strings.Join(now, "\n")))
			if err != nil {
				continue // a banner
			}
			edited++
			switch l := c.Lines[i]; {
			case l.State == cli.Harmless, l.State == cli.Unparsed, l.State == cli.Blank && l.Text[0] == '!':
			case factTexts(t, strings.Join(now, "\n")) != before:
				seen++
			case !silent.MatchString(w) && !silent.MatchString(l.Text):
				t.Errorf("%s:%d: %q instead of %q: the line is understood, and nothing changes", router, i+1, now[i], lines[i])
			}
		}
	}
	if edited < 200 || seen < 30 {
		t.Errorf("%d edits, %d seen in facts", edited, seen)
	}
}

var permitLine = regexp.MustCompile(`^(access-list \d+ )?(permit|deny) `)

func editStatement(r *rand.Rand, line string, pool []string) string {
	w := strings.Fields(line)
	i := r.IntN(len(w))
	switch n, err := strconv.Atoi(w[i]); {
	case err == nil:
		w[i] = strconv.Itoa(n + 1)
	case r.IntN(3) == 0:
		w = slices.Delete(w, i, i+1)
	default:
		w[i] = pool[r.IntN(len(pool))]
	}
	return strings.Join(w, " ")
}

// factTexts gives what a configuration states, in one text.
func factTexts(t *testing.T, text string) string {
	t.Helper()
	c, err := cli.ReadConfig("ios-config", "f", collectors.Device{Handle: "r"}, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range c.Facts() {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}
